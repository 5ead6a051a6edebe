import { types } from 'node:util'
import { ForkstoreError } from '../../../base/errors.js'
import type { LogState } from '../../../contract/engine-log.js'

/**
 * Whether the log works. A call of the system that fails makes it 'failed': nothing more is written. A new
 * file, begun with a snapshot, makes it 'healing': it is written to again, but nothing counts as durable
 * before that snapshot is on disk. Then it is 'healthy'; where the snapshot or the new file fails, it is
 * 'read-only'.
 */
export class LogHealth {
  #state: LogState = 'healthy'
  #failure: ForkstoreError | undefined

  get state(): LogState {
    return this.#state
  }

  /** Why it is not healthy. */
  get failure(): ForkstoreError | undefined {
    return this.#failure
  }

  /** Whether the file can be written to. */
  get isWriting(): boolean {
    return this.#state === 'healthy' || this.#state === 'healing'
  }

  /** REQUIRES: isWriting. */
  fail(failure: ForkstoreError): void {
    this.#state = this.#state === 'healing' ? 'read-only' : 'failed'
    this.#failure = failure
  }

  /** A new file is to be begun; whether it comes after a failure, which it may heal. */
  begin(): boolean {
    const isAfterFailure = this.#state === 'failed' || this.#state === 'read-only'
    if (isAfterFailure) this.#state = 'healing'
    return isAfterFailure
  }

  /** The snapshot is on disk; whether that has healed it. */
  heal(): boolean {
    if (this.#state !== 'healing') return false
    this.#state = 'healthy'
    this.#failure = undefined
    return true
  }

  /** The snapshot will not come; whether it was to heal the log. */
  abandonHealing(): boolean {
    if (this.#state !== 'healing') return false
    this.#state = 'read-only'
    this.#failure ??= logFailed(undefined)
    return true
  }

  close(): void {
    this.#state = 'closed'
  }
}

/** The typed error for a call that failed; undefined: the snapshot that was to heal the log. */
export function logFailed(cause: unknown): ForkstoreError {
  const reason = types.isNativeError(cause) ? cause.message : 'the snapshot that was to heal it failed'
  return new ForkstoreError('ERR_FORKSTORE_LOG_FAILED', `the log failed: ${reason}`, { cause })
}
