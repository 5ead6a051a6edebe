import type { NativeStore } from '../binding.js'

/** The names of one shape, and where each is among the slots. */
export class Shape {
  readonly indexes = new Map<string, number>()

  constructor(readonly names: readonly string[]) {
    for (let index = 0; index < names.length; index++) this.indexes.set(names[index] as string, index)
  }
}

/** The shapes of a store by their ids, for readers of single fields. They never change. */
export class Shapes {
  readonly #store: NativeStore
  readonly #known: Shape[] = []

  constructor(store: NativeStore) {
    this.#store = store
  }

  get(id: number): Shape {
    return this.#known[id] ?? (this.#known[id] = new Shape(this.#store.shapeNames(id)))
  }
}
