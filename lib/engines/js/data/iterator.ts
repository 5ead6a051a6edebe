import type { Key } from '../../../base/types.js'
import type { Entry, Walk } from './ordered-map.js'

const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object

/**
 * A map's iterator, which gives copies. What happens to entries that are added or removed meanwhile is the
 * rule of `Walk`. Like the iterators of Map it has no `return`: a loop that was left can be taken up again.
 */
export class CopyingIterator<T> {
  readonly #walk: Walk<Key, unknown>
  readonly #select: (entry: Entry<Key, unknown>) => T
  readonly #owner: { assertOpen(): void }

  constructor(
    walk: Walk<Key, unknown>,
    select: (entry: Entry<Key, unknown>) => T,
    owner: { assertOpen(): void },
  ) {
    this.#walk = walk
    this.#select = select
    this.#owner = owner
  }

  next(): IteratorResult<T, undefined> {
    // An iterator that has ended does not throw, even when the map was dropped or the store closed.
    if (!this.#walk.isDone) this.#owner.assertOpen()
    if (!this.#walk.step()) return { done: true, value: undefined }
    return { done: false, value: this.#select(this.#walk.entry) }
  }

  get [Symbol.toStringTag](): string {
    return 'Map Iterator'
  }
}

// The helper methods (map, filter, take ...) of the runtime, where it has them, and Symbol.iterator.
Object.setPrototypeOf(CopyingIterator.prototype, iteratorPrototype)
