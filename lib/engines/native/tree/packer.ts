import type { NativeStore } from '../binding.js'
import type { Decoder } from '../codec/decoder.js'
import { Window } from '../codec/window.js'

/** A pack buffer larger than this is not kept. */
const MOST_KEPT_BYTES = 2 ** 20

// How many items are packed at a time: as many as take about so many bytes.
const FIRST_ITEMS = 64
const MOST_ITEMS = 4096
const ENOUGH_BYTES = 2 ** 19
const TOO_LARGE = -6

type Fail = (result: number) => never
/** Index and slot, one after the other, of so many items from this index on that there are. */
type IndexesFrom = (from: number, count: number) => Float64Array

/** Gets whole subtrees: packed into one value by one call, and decoded from the buffer that it is written to. */
export class Packer {
  readonly #store: NativeStore
  readonly #decoder: Decoder
  #window: Window | undefined
  /** As `result[3]` was when the window was made. */
  #version = -1

  constructor(store: NativeStore, decoder: Decoder) {
    this.#store = store
    this.#decoder = decoder
  }

  /** A plain copy of the node with this number. `fail` is called with the store's negative answer, and throws. */
  copy(id: number, fail: Fail): unknown {
    return this.decode(this.#pack(id, fail))
  }

  /** Plain copies of items [start, end) of the array with this number, with their holes; some at a time. */
  copyItems(id: number, start: number, end: number, indexes: IndexesFrom, fail: Fail): unknown[] {
    const copies: unknown[] = []
    let limit = FIRST_ITEMS
    for (let from = start; from < end; ) {
      const bytes = this.#store.packItems(id, from, end, limit)
      if (bytes < 0) {
        if (bytes !== TOO_LARGE || limit === 1) fail(bytes)
        limit = 1
        continue
      }
      const next = this.#store.result[0] as number
      const items = this.decode(bytes) as unknown[]
      if (items.length === next - from) {
        for (const item of items) copies.push(item)
      } else if (items.length > 0) {
        const found = indexes(from, items.length)
        for (let at = 0; at < items.length; at++) copies[(found[2 * at] as number) - start] = items[at]
      }
      copies.length = next - start
      from = next
      if (bytes > ENOUGH_BYTES) limit = Math.ceil(limit / 2)
      else if (bytes < ENOUGH_BYTES / 8) limit = Math.min(4 * limit, MOST_ITEMS)
    }
    return copies
  }

  /** The value of so many bytes that the store has written to its buffer. */
  decode(bytes: number): unknown {
    const version = this.#store.result[3] as number
    if (this.#window === undefined || version !== this.#version) {
      this.#window = new Window(this.#store.packBuffer, 0)
      this.#version = version
    }
    const value = this.#decoder.valueIn(this.#window, 0)
    if (bytes > MOST_KEPT_BYTES) this.#window = undefined
    return value
  }

  /** The node as one packed value at the beginning of a window of its own. */
  window(id: number, fail: Fail): Window {
    const bytes = this.#pack(id, fail)
    return new Window(this.#store.packBuffer.slice(0, bytes), 0)
  }

  #pack(id: number, fail: Fail): number {
    const bytes = this.#store.pack(id)
    return bytes < 0 ? fail(bytes) : bytes
  }
}
