import type { ForkstoreError } from '../base/errors.js'

/**
 * `healthy`: all is well. `failed`: the disk refused a write or a sync; nothing more is written until a
 * snapshot has begun. `healing`: that snapshot is under way. `read-only`: it failed as well. `closed`.
 */
export type LogState = 'healthy' | 'failed' | 'healing' | 'read-only' | 'closed'

/** The log of an engine; `Durability` (lib/store/durability.ts) drives it. Batches are numbered: their sequence. */
export interface EngineLog {
  /** Called, on a turn of its own, when one of the next four may have changed. */
  onProgress: () => void
  readonly state: LogState
  /** The last batch that is on disk. Rises only. */
  readonly durableSequence: number
  /** More waits to be written than should. */
  readonly isBehind: boolean
  /** Written to the log since the store was opened, in bytes. */
  readonly appendedBytes: number
  /** Why the log is not healthy; ERR_FORKSTORE_LOG_FAILED. */
  readonly failure: ForkstoreError | undefined
  /** Whether writes are refused, with the failure. Set between turns only. */
  refusesWrites: boolean
  /**
   * Called between turns: what was written since the last call is one batch. `sync`: it shall be on disk as soon as
   * possible, and all before it; else within a second.
   */
  endBatch(sync: boolean): void
  /** The sequence of the batch that what is written now will belong to; when nothing was, of the one before. */
  sequenceToAwait(): number
  /** Whether the process stays alive until the next `onProgress`. */
  hold(isHeld: boolean): void
  /**
   * Waits, and holds everything up, until what was ended is on disk, or the log has failed; `mostMs` at most
   * where that can be told.
   */
  syncNow(mostMs: number): void
  stats(): EngineLogStats
  /** Ends the batch, syncs, closes the files. No write, no snapshot afterwards. Rejects when something was lost. */
  close(): Promise<void>
}

export interface EngineLogStats {
  bufferedBytes: number
  appendedBytes: number
  segments: number
  batches: number
  syncs: number
  stalls: number
  lastSyncMs: number
  longestSyncMs: number
}
