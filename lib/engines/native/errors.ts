import { getSystemErrorName, types } from 'node:util'
import { ForkstoreError, type ForkstoreErrorCode } from '../../base/errors.js'

// In the order of `enum class Code` in native/base/status.h, from 1.
const CODES: readonly ForkstoreErrorCode[] = [
  'ERR_FORKSTORE_FULL',
  'ERR_FORKSTORE_CORRUPT',
  'ERR_FORKSTORE_VERSION',
  'ERR_FORKSTORE_LOCKED',
  'ERR_FORKSTORE_INVALID_ARGUMENT',
  'ERR_FORKSTORE_TOO_LARGE',
  'ERR_FORKSTORE_NOT_FOUND',
  'ERR_FORKSTORE_WRONG_TYPE',
  'ERR_FORKSTORE_IO',
  'ERR_FORKSTORE_SNAPSHOT_FAILED',
  'ERR_FORKSTORE_LOG_FAILED',
  'ERR_FORKSTORE_DETACHED',
]

/** The error for one of the addon's codes (a positive number); with the system's error as its cause. */
export function errorFromCode(nativeCode: number, message: string, systemErrno = 0): ForkstoreError {
  const code = CODES[nativeCode - 1] ?? 'ERR_FORKSTORE_IO'
  if (systemErrno === 0) return new ForkstoreError(code, message)
  return new ForkstoreError(code, message, { cause: systemError(systemErrno) })
}

/** The error for one that the addon has thrown; any other as it is. */
export function fromNative(error: unknown): unknown {
  if (!types.isNativeError(error)) return error
  const { nativeCode, systemErrno } = error as Error & { nativeCode?: unknown; systemErrno?: unknown }
  if (typeof nativeCode !== 'number') return error
  return errorFromCode(nativeCode, error.message, typeof systemErrno === 'number' ? systemErrno : 0)
}

function systemError(errno: number): Error {
  const name = getSystemErrorName(-errno)
  return Object.assign(new Error(name), { code: name, errno: -errno })
}
