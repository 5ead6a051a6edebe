import type { OperationBuffer } from './operation-buffer.js'

/** What a writer writes with: the encoder, as far as generated code is not all that calls it. */
interface WritingEncoder {
  cursor: number
}

export const WRITTEN: unique symbol = Symbol('written')

/**
 * Writes the object `value` with its root slot at `at`: `WRITTEN`. Else, what is to be written in the general
 * way: `value` itself when it has not the writer's shape, and then none of its fields has been read; or what
 * was left of it while they were.
 */
export type Writer = (
  encoder: WritingEncoder,
  operation: OperationBuffer,
  value: object,
  at: number,
) => typeof WRITTEN | object
