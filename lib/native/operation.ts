import { ForkstoreError } from '../errors.js'
import type { NativeStore } from './binding.js'
import { Encoder } from './encoder.js'
import { errorFromCode } from './errors.js'
import { ShapeTree } from './shape-tree.js'
import type { Bytes } from './window.js'

/** Operation codes; docs/format.md, section 3. */
export const SET = 3
export const DELETE = 4
export const CLEAR = 5
export const PATCH = 6
export const INCREMENT = 7

/** Where an operation's value begins. */
export const HEAD_BYTES = 16
/** The most that a value can take. */
export const MAX_VALUE_BYTES = 2 ** 30 - 2 ** 20

/**
 * The buffer in which operations are written, with its views, and the encoder that writes values there.
 *
 * Reading a value can run user code (getters, proxies), and that code may use the store, and with it this
 * buffer, while an encoding is half done. `nested` is how such a use is made harmless: everything that
 * writes to the buffer must go through it while `encoder.busy`.
 */
export class Operation {
  readonly store: NativeStore
  readonly shapes: ShapeTree
  encoder: Encoder
  /** Bytes that can be written without `reserve`. */
  capacity = 0
  declare bytes: Bytes
  declare words: Int32Array
  declare doubles: Float64Array

  constructor(store: NativeStore) {
    this.store = store
    this.shapes = new ShapeTree(store)
    this.#view(store.operationBuffer)
    this.encoder = new Encoder(this)
  }

  /** Makes room for bytes [0, end); what has been written stays. The views are new objects afterwards. */
  reserve(end: number): void {
    if (end <= this.capacity) return
    if (end > HEAD_BYTES + MAX_VALUE_BYTES + 64) throw tooLarge()
    const written = this.bytes
    const wanted = Math.min(2 * end, HEAD_BYTES + MAX_VALUE_BYTES + 4096)
    // Growing may free or detach the old buffer.
    const kept = Buffer.from(written)
    this.#view(this.store.growOperationBuffer(wanted))
    if (this.capacity < end)
      throw new ForkstoreError('ERR_FORKSTORE_FULL', 'no memory for so large an operation')
    this.bytes.set(kept)
  }

  /** The fields of an operation's head that do not depend on the key. */
  head(code: number, collection: number, valueBytes: number): void {
    const words = this.words
    words[0] = code
    words[1] = collection
    words[2] = valueBytes
    words[3] = 0
  }

  /** Writes a number as the 8 bytes of a double; there is one NaN. */
  double(at: number, value: number): void {
    if (value === value) {
      this.doubles[at >> 3] = value
    } else {
      this.words[at >> 2] = 0
      this.words[(at >> 2) + 1] = 0x7ff80000
    }
  }

  /** Whether the value whose root slot is at `at` is a plain object. */
  isObject(at: number): boolean {
    const high = (this.words[(at >> 2) + 1] as number) >>> 0
    return high >>> 16 === 0xfffc || high === 0xfffe0006
  }

  /** Runs something that uses the buffer while an encoding is under way, and puts everything back. */
  nested<Result>(run: () => Result): Result {
    const interrupted = this.encoder
    const kept = Buffer.from(this.bytes.subarray(0, interrupted.cursor))
    this.encoder = new Encoder(this)
    try {
      return run()
    } finally {
      this.encoder = interrupted
      this.reserve(kept.length)
      this.bytes.set(kept)
    }
  }

  /** The error for a negative result of the store. */
  failure(code: number): ForkstoreError {
    return errorFromCode(-code, this.store.lastMessage())
  }

  #view(buffer: ArrayBuffer): void {
    this.capacity = buffer.byteLength & ~7
    this.bytes = Buffer.from(buffer, 0, this.capacity) as Bytes
    this.words = new Int32Array(buffer, 0, this.capacity >> 2)
    this.doubles = new Float64Array(buffer, 0, this.capacity >> 3)
  }
}

export function tooLarge(): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_TOO_LARGE', `a value can take at most ${MAX_VALUE_BYTES} bytes`)
}
