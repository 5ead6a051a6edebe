import type { NativeStore } from './binding.js'
import type { Decoder } from './decoder.js'
import { Window } from './window.js'

/** A pack buffer larger than this is not kept. */
const MOST_KEPT_BYTES = 2 ** 20

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
  copy(id: number, fail: (result: number) => never): unknown {
    const bytes = this.#pack(id, fail)
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
  window(id: number, fail: (result: number) => never): Window {
    const bytes = this.#pack(id, fail)
    return new Window(this.#store.packBuffer.slice(0, bytes), 0)
  }

  #pack(id: number, fail: (result: number) => never): number {
    const bytes = this.#store.pack(id)
    return bytes < 0 ? fail(bytes) : bytes
  }
}
