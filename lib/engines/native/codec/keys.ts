import { ForkstoreError } from '../../../base/errors.js'
import { unsupportedKey } from '../../../base/value-errors.js'
import { writeBigintKey } from './bigint.js'
import type { OperationBuffer } from './operation-buffer.js'

/** Kinds of keys; docs/format.md, section 2. */
const NUMBER_KEY = 2
const BIGINT_KEY = 3

/** `keyBytes` of a key is below this, or the key is too large. */
const MAX_KEY_BYTES = 2 ** 29

/** Writes a number or bigint key at byte `at`, a multiple of 8; returns how many bytes it takes. */
export function writeKey(operation: OperationBuffer, key: unknown, at: number, mapName: string): number {
  if (typeof key === 'number') {
    operation.reserveAny(at + 8)
    // -0 is the same key as 0.
    operation.double(at, key + 0)
    return 8
  }
  if (typeof key === 'bigint') {
    const bytes = writeBigintKey(operation, key, at)
    if (bytes > MAX_KEY_BYTES) {
      operation.settle()
      throw new ForkstoreError(
        'ERR_FORKSTORE_TOO_LARGE',
        `${mapName}: a key can take at most ${MAX_KEY_BYTES} bytes`,
      )
    }
    return bytes
  }
  throw unsupportedKey(mapName, key)
}

export function keyKind(key: number | bigint): number {
  return typeof key === 'number' ? NUMBER_KEY : BIGINT_KEY
}
