import type { ForkstoreError } from '../../../base/errors.js'
import type { NativeStore } from '../binding.js'
import { Encoder } from './encoder.js'
import { errorFromCode } from '../errors.js'
import { OperationBuffer } from './operation-buffer.js'
import { ShapeTree } from './shape-tree.js'

/** Operation codes; docs/format.md, section 3. */
export const SET = 3
export const DELETE = 4
export const CLEAR = 5
export const PATCH = 6
export const INCREMENT = 7
export const SET_MEMBER = 8
export const DELETE_MEMBER = 9
export const SET_ITEM = 10
export const DELETE_ITEM = 11
export const SET_LENGTH = 12
export const SPLICE = 13
export const PERMUTE = 14
export const ADOPT = 15

/**
 * The operation that is being written: its buffer, and the encoder that writes values there.
 *
 * Reading a value can run user code (getters, proxies), and that code may use the store, and with it this
 * buffer, while an encoding is half done. `nested` is how such a use is made harmless: everything that
 * writes to the buffer must go through it while `encoder.busy`.
 */
export class Operation extends OperationBuffer {
  readonly shapes: ShapeTree
  encoder: Encoder
  /** The plain copy of what a Proxy shows, when that is a live view. Never writes to the buffer. */
  copyView: (proxy: object) => object | undefined = () => undefined

  constructor(store: NativeStore) {
    super(store)
    this.shapes = new ShapeTree(store)
    this.encoder = new Encoder(this)
  }

  override settle(): void {
    if (!this.encoder.busy) super.settle()
  }

  /** Runs something that uses the buffer while an encoding is under way, and puts everything back. */
  nested<Result>(run: () => Result): Result {
    const interrupted = this.encoder
    const kept = Buffer.from(this.bytes.subarray(0, interrupted.cursor))
    this.encoder = new Encoder(this)
    interrupted.isSpoilt = true
    try {
      return run()
    } finally {
      this.encoder = interrupted
      this.reserveAny(kept.length)
      this.bytes.set(kept)
      interrupted.isSpoilt = false
    }
  }

  /** The error for a negative result of the store; `path` names the entry. */
  failure(code: number, path: string): ForkstoreError {
    return errorFromCode(-code, `${path}: ${this.store.lastMessage()}`)
  }
}
