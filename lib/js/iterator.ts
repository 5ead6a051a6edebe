import type { Key } from '../types.js'

const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object

/**
 * Goes along with an iterator of the inner Map, which settles what happens when entries come and go on
 * the way. Like the iterators of Map it has no `return`: a loop that was left can be taken up again.
 */
export class CopyingIterator<T> {
  readonly #inner: Iterator<[Key, unknown]>
  readonly #select: (entry: [Key, unknown]) => T
  readonly #owner: { assertOpen(): void }

  constructor(
    inner: Iterator<[Key, unknown]>,
    select: (entry: [Key, unknown]) => T,
    owner: { assertOpen(): void },
  ) {
    this.#inner = inner
    this.#select = select
    this.#owner = owner
  }

  next(): IteratorResult<T, undefined> {
    this.#owner.assertOpen()
    const step = this.#inner.next()
    if (step.done) return { done: true, value: undefined }
    return { done: false, value: this.#select(step.value) }
  }

  get [Symbol.toStringTag](): string {
    return 'Map Iterator'
  }
}

// The helper methods (map, filter, take ...) of the runtime, where it has them, and Symbol.iterator.
Object.setPrototypeOf(CopyingIterator.prototype, iteratorPrototype)
