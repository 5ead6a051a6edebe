import { ForkstoreError } from '../../../base/errors.js'
import type { NativeStore } from '../binding.js'
import type { Bytes } from './window.js'

/** Where an operation's value begins. */
export const HEAD_BYTES = 16
/** The most that a value can take. */
export const MAX_VALUE_BYTES = 2 ** 30 - 2 ** 20

/** A buffer that has grown over this is given back; FIRST_BUFFER_BYTES is the one that follows. */
const MOST_KEPT_BYTES = 2 ** 20
const FIRST_BUFFER_BYTES = 2 ** 16

/** Thrown by `reserve`, for the encoder to catch: the value would be over MAX_VALUE_BYTES. */
export class TooLarge {}

/** The buffer in which operations are written, with its views. */
export class OperationBuffer {
  readonly store: NativeStore
  /** Bytes that can be written without `reserve`. */
  capacity = 0
  declare bytes: Bytes
  declare words: Int32Array
  declare doubles: Float64Array

  constructor(store: NativeStore) {
    this.store = store
    this.#view(store.operationBuffer)
  }

  /**
   * Makes room for a value in bytes [0, end); what has been written stays. The views are new objects afterwards.
   */
  reserve(end: number): void {
    if (end <= this.capacity) return
    // The value may begin 8 bytes behind the head: an INCREMENT's does.
    if (end > HEAD_BYTES + 8 + MAX_VALUE_BYTES) throw new TooLarge()
    this.reserveAny(end)
  }

  /** As `reserve`, for the key behind the value. */
  reserveAny(end: number): void {
    if (end <= this.capacity) return
    const written = this.bytes
    this.#view(this.#grown(end + 64, Math.min(2 * end, MAX_VALUE_BYTES)))
    this.bytes.set(written)
  }

  /** A buffer of `wanted` bytes, or where memory is short of `least`. */
  #grown(least: number, wanted: number): ArrayBuffer {
    try {
      return this.store.growOperationBuffer(Math.max(least, wanted))
    } catch {
      // Without the room to grow.
    }
    try {
      return this.store.growOperationBuffer(least)
    } catch (error) {
      throw new ForkstoreError(
        'ERR_FORKSTORE_TOO_LARGE',
        `there is no memory for a value of this size: a buffer of ${least} bytes cannot be had`,
        { cause: error },
      )
    }
  }

  /** Whether the buffer is larger than it is kept. */
  get isLarge(): boolean {
    return this.capacity > MOST_KEPT_BYTES
  }

  /** Called when an operation has ended, well or not: gives back a buffer that was needed for it alone. */
  settle(): void {
    if (!this.isLarge) return
    let small: ArrayBuffer
    try {
      small = this.store.growOperationBuffer(FIRST_BUFFER_BYTES)
    } catch {
      return // the large one is kept until memory can be had
    }
    this.#view(small)
  }

  /** The fields of an operation's head that do not depend on the key. */
  head(code: number, collection: number, valueBytes: number): void {
    const words = this.words
    words[0] = code
    words[1] = collection
    words[2] = valueBytes
    words[3] = 0
  }

  /** The same for an operation on a node. */
  nodeHead(code: number, node: number, valueBytes: number): void {
    const words = this.words
    words[0] = code | ((node / 2 ** 32) << 16)
    words[1] = node | 0
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

  #view(buffer: ArrayBuffer): void {
    this.capacity = buffer.byteLength & ~7
    this.bytes = Buffer.from(buffer, 0, this.capacity) as Bytes
    this.words = new Int32Array(buffer, 0, this.capacity >> 2)
    this.doubles = new Float64Array(buffer, 0, this.capacity >> 3)
  }
}
