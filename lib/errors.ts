/** Every code that a {@link ForkstoreError} can carry. Codes are stable; messages are not. */
export type ForkstoreErrorCode =
  | 'ERR_FORKSTORE_LOCKED'
  | 'ERR_FORKSTORE_CORRUPT'
  | 'ERR_FORKSTORE_VERSION'
  | 'ERR_FORKSTORE_CLOSED'
  | 'ERR_FORKSTORE_FULL'
  | 'ERR_FORKSTORE_TOO_LARGE'
  | 'ERR_FORKSTORE_UNSUPPORTED_VALUE'
  | 'ERR_FORKSTORE_UNSUPPORTED_KEY'
  | 'ERR_FORKSTORE_INVALID_ARGUMENT'
  | 'ERR_FORKSTORE_NOT_FOUND'
  | 'ERR_FORKSTORE_WRONG_TYPE'
  | 'ERR_FORKSTORE_DETACHED'
  | 'ERR_FORKSTORE_TRANSACTION'
  | 'ERR_FORKSTORE_SNAPSHOT_FAILED'
  | 'ERR_FORKSTORE_LOG_FAILED'
  | 'ERR_FORKSTORE_UNAVAILABLE'
  | 'ERR_FORKSTORE_IO'

/** What every failure of this library is. `cause` holds the system's error where there is one. */
export class ForkstoreError extends Error {
  readonly code: ForkstoreErrorCode

  constructor(code: ForkstoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ForkstoreError'
    this.code = code
  }
}

export function closedError(): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_CLOSED', 'the store is closed')
}
