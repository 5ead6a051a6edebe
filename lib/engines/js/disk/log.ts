import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { EngineLog, EngineLogStats, LogState } from '../../../contract/engine-log.js'
import { ForkstoreError } from '../../../base/errors.js'
import { removeFile } from './disk.js'
import { Backlog, BOUNDS, type LogBounds } from './log-backlog.js'
import { OpenBatch } from './log-batch.js'
import { logGenerations, logName, markLine } from './log-file.js'
import { LogHealth, logFailed } from './log-health.js'
import { LogWriter } from './log-writer.js'
import { isSystemError } from '../../../base/system.js'
import { clearTimeout, setImmediate, setTimeout } from '../../../base/timers.js'

const SYNC_INTERVAL_MS = 1000

/**
 * The log of the JS engine; log-file.ts describes its format. A batch is handed to the system when its turn
 * ends, and a new file is begun at once, both on the event loop; syncs, one at a time, do not hold it up,
 * unless so much waits for the disk that a write must. Once a call has failed nothing more is written, until
 * `cut` begins a new file.
 *
 * Invariants: a file is begun only when what the one before holds is on disk, unless its header says that it
 * is not; no batch counts as durable before an asynchronous sync that covers it, or such a beginning.
 */
export class JsLog implements EngineLog {
  onProgress: () => void = () => undefined
  refusesWrites = false
  readonly #path: string
  readonly #storeId: string
  readonly #backlog: Backlog
  readonly #assertOurs: () => void
  readonly #batch = new OpenBatch()
  readonly #health = new LogHealth()
  #file: LogWriter | undefined
  #sealed: number
  /** On disk, in files; what counts as durable follows it, but not while the log heals. */
  #synced: number
  #durable: number
  /** What shall be on disk as soon as possible. */
  #awaited: number
  #syncTimer: NodeJS.Timeout | undefined
  /** Set while a sync is under way. */
  #running: Promise<void> | undefined
  /** No sync begins before `cut`. */
  #isCutNear = false
  #isTelling = false
  /** The last cut: everything up to `sequence` is in the snapshot of `generation`. */
  #cut = { generation: 0, sequence: 0 }
  #batches = 0
  #segments = 0
  #syncs = 0
  #stalls = 0
  #lastSyncMs = 0
  #longestSyncMs = 0

  /**
   * `sequence`: the last batch there was. `assertOurs` throws where what is written to the directory would
   * not be found. Nothing is written before `resume` or `cut`.
   */
  constructor(
    path: string,
    storeId: string,
    sequence: number,
    assertOurs: () => void,
    bounds: LogBounds = BOUNDS,
  ) {
    this.#assertOurs = assertOurs
    this.#path = path
    this.#storeId = storeId
    this.#backlog = new Backlog(bounds)
    this.#sealed = this.#synced = this.#durable = this.#awaited = sequence
  }

  get state(): LogState {
    return this.#health.state
  }

  get durableSequence(): number {
    return this.#durable
  }

  get appendedBytes(): number {
    return this.#backlog.written
  }

  get isBehind(): boolean {
    return this.#waitingBytes > this.#backlog.bounds.softBytes
  }

  get failure(): ForkstoreError | undefined {
    return this.#health.failure
  }

  /**
   * Goes on behind the first `bytes` of a file, in one that takes its place. What it held is on disk afterwards.
   */
  resume(generation: number, bytes: number): void {
    this.#file = LogWriter.renew(this.#path, generation, bytes, this.#assertOurs)
    this.#assertFindable()
    this.#tidy(0)
  }

  /**
   * Adds a line of an operation to the batch. Called before the change. `mayBeTakenBack`: a transaction is
   * open, whose lines must all stay here. Errors: ERR_FORKSTORE_LOG_FAILED.
   */
  record(line: string, mayBeTakenBack: boolean): void {
    if (this.refusesWrites) {
      const { failure } = this
      const message = `no write is taken until the log works again: ${failure?.message ?? ''}`
      throw new ForkstoreError('ERR_FORKSTORE_LOG_FAILED', message, { cause: failure?.cause })
    }
    this.#batch.add(line)
    if (this.#batch.size > this.#backlog.bounds.fragmentBytes && !mayBeTakenBack) {
      this.#append(this.#batch.take())
    }
  }

  /** How many lines the batch has: what is recorded from here on can be taken back while a transaction is open. */
  mark(): number {
    return this.#batch.length
  }

  /** `kept`: lines that are to stay. */
  rollbackTo(mark: number, kept: readonly string[]): void {
    this.#batch.rollbackTo(mark)
    for (const line of kept) this.#batch.add(line)
  }

  endBatch(sync: boolean): void {
    this.#seal()
    if (sync) this.#awaited = this.#sealed
    this.#kick()
  }

  sequenceToAwait(): number {
    return this.#sealed + (this.#batch.isEmpty ? 0 : 1)
  }

  hold(): void {
    // What is awaited is always a call of the system or an immediate, and they keep the process alive.
  }

  /**
   * Resolves between turns, when no sync is under way; none begins from then on. `cut` must follow at once:
   * its own sync of the file would otherwise come beside the other one, and an error of the disk is told to
   * one of them only.
   */
  async awaitQuiet(): Promise<void> {
    // What is on disk by then `cut` need not wait for.
    this.#awaited = this.#sealed
    this.#kick()
    this.#isCutNear = true
    while (this.#running !== undefined) await this.#running
    await new Promise((done) => setImmediate(done))
  }

  /**
   * What follows belongs to a new file, based on the snapshot of `generation`, which must be begun before
   * anything else is written to the store. All that came before, and the new file, are on disk when it
   * returns; but not what came before a failure. REQUIRES: awaitQuiet. Errors: ERR_FORKSTORE_LOG_FAILED.
   */
  cut(generation: number): void {
    this.#isCutNear = false
    this.#seal()
    const afterFailure = this.#health.begin()
    this.#cut = { generation, sequence: this.#sealed }
    try {
      if (!afterFailure && this.#backlog.unsynced > 0) this.#datasyncSync()
      if (!afterFailure) this.#file?.assertNamed()
      const old = this.#file
      this.#file = undefined
      old?.close()
      const header = { storeId: this.#storeId, generation, first: this.#sealed + 1, afterFailure }
      this.#assertOurs()
      this.#file = LogWriter.begin(this.#path, header)
      this.#assertFindable()
    } catch (error) {
      const failure = logFailed(error)
      this.#fail(failure)
      throw failure
    }
    this.#tidy(0)
    this.#noteSynced(this.#sealed, this.#backlog.written)
  }

  /** The snapshot of the last cut is on disk; `oldest` is the oldest that is kept. */
  published(oldest: number): void {
    const isHealed = this.#health.heal()
    this.#durable = Math.max(this.#cut.sequence, isHealed ? this.#synced : this.#durable)
    this.#tell()
    this.#tidy(oldest)
  }

  /** The snapshot of the last cut will not come. */
  snapshotFailed(): void {
    if (this.#health.abandonHealing()) this.#tell()
  }

  syncNow(): void {
    if (!this.#health.isWriting || this.#synced === this.#sealed) return
    const startMs = performance.now()
    try {
      this.#file!.datasyncBeside()
      this.#countSync(startMs)
      this.#assertFindable()
    } catch (error) {
      this.#fail(logFailed(error))
      return
    }
    this.#noteSynced(this.#sealed, this.#backlog.written)
  }

  stats(): EngineLogStats {
    return {
      bufferedBytes: this.#waitingBytes,
      appendedBytes: this.#backlog.written,
      segments: this.#segments,
      batches: this.#batches,
      syncs: this.#syncs,
      stalls: this.#stalls,
      lastSyncMs: this.#lastSyncMs,
      longestSyncMs: this.#longestSyncMs,
    }
  }

  async close(): Promise<void> {
    try {
      this.endBatch(true)
      while (this.#running !== undefined) await this.#running
      if (this.state !== 'healthy') throw this.failure ?? logFailed(undefined)
      try {
        this.#file?.append(Buffer.from(markLine(this.#sealed)))
        await this.#file?.datasync()
        this.#assertFindable()
      } catch (error) {
        throw logFailed(error)
      }
    } finally {
      this.abandon()
    }
  }

  /** Closes the file, whatever is in it. */
  abandon(): void {
    clearTimeout(this.#syncTimer)
    this.#health.close()
    const file = this.#file
    this.#file = undefined
    // Not while a sync is under way: the number of the descriptor could be another file's by then.
    if (this.#running === undefined) file?.close()
    else void this.#running.then(() => file?.close())
  }

  get #waitingBytes(): number {
    return this.#backlog.unsynced + this.#batch.size
  }

  #seal(): void {
    if (this.#batch.isEmpty) return
    this.#sealed++
    this.#batches++
    this.#append(this.#batch.end(this.#sealed, this.#synced))
    if (!this.#health.isWriting) return
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined
      this.#awaited = this.#sealed
      this.#kick()
    }, SYNC_INTERVAL_MS).unref()
  }

  /**
   * Hands bytes to the system. After a failure they are dropped: the snapshot that heals the log has their effect.
   */
  #append(chunks: Buffer[]): void {
    if (!this.#health.isWriting) return
    try {
      for (const chunk of chunks) {
        this.#file!.append(chunk)
        this.#backlog.append(chunk.length)
        if (this.#backlog.isFull) this.#waitForDisk()
      }
    } catch (error) {
      this.#fail(logFailed(error))
      return
    }
    if (this.#backlog.isToBeSynced) this.#kick()
  }

  /**
   * It only waits: what it has brought to the disk counts when an asynchronous sync, maybe one under way, says so.
   */
  #waitForDisk(): void {
    this.#stalls++
    this.#datasyncSync()
    this.#backlog.settle()
  }

  #kick(): void {
    if (this.#running !== undefined || !this.#needsSync()) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      // What was asked for while the last call ended.
      this.#kick()
    })
  }

  #needsSync(): boolean {
    if (!this.#health.isWriting || this.#isCutNear || this.#file === undefined) return false
    return this.#awaited > this.#synced || this.#backlog.isToBeSynced
  }

  async #run(): Promise<void> {
    while (this.#needsSync()) {
      try {
        await this.#sync()
      } catch (error) {
        this.#fail(logFailed(error))
      }
    }
  }

  async #sync(): Promise<void> {
    const sequence = this.#sealed
    const bytes = this.#backlog.written
    const startMs = performance.now()
    await this.#file!.datasync()
    this.#countSync(startMs)
    this.#assertFindable()
    // After a failure nothing of the file counts any more.
    if (this.#health.isWriting) this.#noteSynced(sequence, bytes)
  }

  /** After a sync: what it has brought to the disk counts only where it will be found. */
  #assertFindable(): void {
    this.#assertOurs()
    this.#file?.assertNamed()
  }

  #noteSynced(sequence: number, bytes: number): void {
    // A sync beside it may have come further.
    this.#synced = Math.max(this.#synced, sequence)
    this.#backlog.settle(bytes)
    if (this.state === 'healthy') this.#durable = Math.max(this.#durable, sequence)
    if (this.#sealed === this.#synced) {
      clearTimeout(this.#syncTimer)
      this.#syncTimer = undefined
    }
    this.#tell()
  }

  #datasyncSync(): void {
    const startMs = performance.now()
    this.#file!.datasyncSync()
    this.#countSync(startMs)
  }

  #countSync(startMs: number): void {
    this.#lastSyncMs = performance.now() - startMs
    this.#longestSyncMs = Math.max(this.#longestSyncMs, this.#lastSyncMs)
    this.#syncs++
  }

  /** Nothing more is written to the file, and what waits for it is in memory only. */
  #fail(failure: ForkstoreError): void {
    if (!this.#health.isWriting) return
    this.#health.fail(failure)
    this.#backlog.settle()
    clearTimeout(this.#syncTimer)
    this.#syncTimer = undefined
    this.#tell()
  }

  /** On a turn of its own, once for all that happens until then. */
  #tell(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    setImmediate(() => {
      this.#isTelling = false
      if (this.state !== 'closed') this.onProgress()
    })
  }

  /** Counts the files, and removes those below `oldest`. What fails costs space only, and is tried again. */
  #tidy(oldest: number): void {
    try {
      const generations = logGenerations(readdirSync(this.#path))
      this.#segments = generations.length
      for (const generation of generations) {
        if (generation >= oldest) break
        removeFile(join(this.#path, logName(generation)))
        this.#segments--
      }
    } catch (error) {
      if (!isSystemError(error)) throw error
    }
  }
}
