import fs from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import type { EngineLog, EngineLogStats, LogState } from '../engine-log.js'
import { ForkstoreError } from '../errors.js'
import { endLine, headerLine, logGenerations, logName, markLine } from './log-file.js'

const SYNC_INTERVAL_MS = 1000
const SOFT_BOUND_BYTES = 64 * 2 ** 20

interface Batch {
  sequence: number
  lines: string[]
  /** In UTF-16 units: near enough to bytes. */
  size: number
}

/** A new file that the writer begins when all that stands before it in the queue is on disk. */
interface Beginning {
  generation: number
  first: number
  afterFailure: boolean
  resolve: () => void
  reject: (error: ForkstoreError) => void
}

/**
 * The log of the JS engine: batches are queued, written in order and synced by asynchronous calls, one at a time; the
 * format is told in log-file.ts. Once a call has failed nothing more is written, until `cut` begins a new file.
 */
export class JsLog implements EngineLog {
  onProgress: () => void = () => undefined
  refusesWrites = false
  readonly #path: string
  readonly #storeId: string
  #state: LogState = 'healthy'
  #failure: ForkstoreError | undefined
  /** Of the batch that is not ended yet. */
  #lines: string[] = []
  #linesSize = 0
  /** For each open transaction, how many lines there were when it began. */
  readonly #marks: number[] = []
  #queue: (Batch | Beginning)[] = []
  #queuedBytes = 0
  #file: number | undefined
  #position = 0
  /** Where the batches that are written whole end. */
  #end = 0
  #sealed: number
  #written: number
  /** On disk, in files; what counts as durable follows it, but not while the log heals. */
  #synced: number
  #durable: number
  /** What shall be on disk as soon as possible. */
  #awaited: number
  #syncTimer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isTelling = false
  /** The last cut: everything up to `sequence` is in the snapshot of `generation`. */
  #cut = { generation: 0, sequence: 0 }
  #appendedBytes = 0
  #batches = 0
  #segments = 0
  #syncs = 0
  #lastSyncMs = 0
  #longestSyncMs = 0

  /** `sequence`: the last batch there was. Nothing is written before `resume` or `cut`. */
  constructor(path: string, storeId: string, sequence: number) {
    this.#path = path
    this.#storeId = storeId
    this.#sealed = this.#written = this.#synced = this.#durable = this.#awaited = sequence
  }

  get state(): LogState {
    return this.#state
  }

  get durableSequence(): number {
    return this.#durable
  }

  get isBehind(): boolean {
    return this.#queuedBytes > SOFT_BOUND_BYTES
  }

  get failure(): ForkstoreError | undefined {
    return this.#failure
  }

  /** Goes on behind what a file holds. What it held is on disk afterwards, and what was behind is gone. */
  resume(generation: number, bytes: number): void {
    this.#file = fs.openSync(join(this.#path, logName(generation)), 'r+')
    fs.ftruncateSync(this.#file, bytes)
    fs.fsyncSync(this.#file)
    this.#position = this.#end = bytes
    this.#countSegments()
  }

  /** Adds a line of an operation to the batch. Called before the change. Errors: ERR_FORKSTORE_LOG_FAILED. */
  record(line: string): void {
    if (this.refusesWrites) {
      const message = `no write is taken until the log works again: ${this.#failure?.message ?? ''}`
      throw new ForkstoreError('ERR_FORKSTORE_LOG_FAILED', message, { cause: this.#failure?.cause })
    }
    this.#lines.push(line)
    this.#linesSize += line.length
  }

  /** Begins a transaction: what is recorded from here on may be taken back. They nest, and end within the turn. */
  begin(): void {
    this.#marks.push(this.#lines.length)
  }

  commit(): void {
    this.#marks.pop()
  }

  /** Forgets what was recorded since `begin`. */
  rollback(): void {
    const undone = this.#lines.splice(this.#marks.pop() ?? 0)
    for (const line of undone) this.#linesSize -= line.length
  }

  endBatch(sync: boolean): void {
    if (this.#lines.length > 0) this.#seal()
    if (sync) this.#awaited = this.#sealed
    this.#kick()
  }

  sequenceToAwait(): number {
    return this.#sealed + (this.#lines.length > 0 ? 1 : 0)
  }

  hold(): void {
    // What is awaited is always a call of the system or an immediate, and they keep the process alive.
  }

  /**
   * What follows belongs to a new file, based on the snapshot of `generation`, which must be begun before anything else
   * is written to the store. Resolves when all that came before, and the new file, are on disk.
   */
  cut(generation: number): Promise<void> {
    this.#seal()
    const afterFailure = this.#state === 'failed' || this.#state === 'read-only'
    if (afterFailure) {
      this.#drop()
      this.#state = 'healing'
    }
    this.#cut = { generation, sequence: this.#sealed }
    const begun = new Promise<void>((resolve, reject) => {
      this.#queue.push({ generation, first: this.#sealed + 1, afterFailure, resolve, reject })
    })
    this.#kick()
    return begun
  }

  /** The snapshot of the last cut is on disk; `oldest` is the oldest that is kept. */
  published(oldest: number): void {
    if (this.#state === 'healing') {
      this.#state = 'healthy'
      this.#failure = undefined
      this.#durable = Math.max(this.#cut.sequence, this.#synced)
    } else {
      this.#durable = Math.max(this.#durable, this.#cut.sequence)
    }
    for (const generation of logGenerations(fs.readdirSync(this.#path))) {
      // What cannot be removed costs space only, and is tried again.
      if (generation < oldest) fs.rmSync(join(this.#path, logName(generation)), { force: true })
    }
    this.#countSegments()
    this.#tell()
  }

  /** The snapshot of the last cut will not come. */
  snapshotFailed(): void {
    if (this.#state !== 'healing') return
    this.#state = 'read-only'
    this.#failure ??= logFailed(undefined)
    this.#tell()
  }

  syncNow(): void {
    if (this.#file === undefined || this.#synced === this.#sealed || !this.#isWriting) return
    try {
      // A write that is under way writes the same bytes to the same place. What belongs to a file that is not begun yet
      // is lost.
      const { bytes } = this.#encodeBatches(Infinity)
      for (let done = 0; done < bytes.length; ) {
        done += fs.writeSync(this.#file, bytes, done, bytes.length - done, this.#end + done)
      }
      fs.fdatasyncSync(this.#file)
    } catch {
      // Nobody has been told that it is on disk.
    }
  }

  stats(): EngineLogStats {
    return {
      bufferedBytes: this.#queuedBytes + this.#linesSize,
      appendedBytes: this.#appendedBytes,
      segments: this.#segments,
      batches: this.#batches,
      syncs: this.#syncs,
      stalls: 0,
      lastSyncMs: this.#lastSyncMs,
      longestSyncMs: this.#longestSyncMs,
    }
  }

  async close(): Promise<void> {
    try {
      this.endBatch(true)
      while (this.#running !== undefined) await this.#running
      if (this.#state !== 'healthy') throw this.#failure ?? logFailed(undefined)
      try {
        if (this.#file !== undefined) {
          await this.#append(Buffer.from(markLine(this.#sealed)))
          await datasync(this.#file)
        }
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
    this.#state = 'closed'
    if (this.#file !== undefined) fs.closeSync(this.#file)
    this.#file = undefined
  }

  #seal(): void {
    if (this.#lines.length === 0) return
    this.#sealed++
    this.#batches++
    if (this.#isWriting) {
      this.#queue.push({ sequence: this.#sealed, lines: this.#lines, size: this.#linesSize })
      this.#queuedBytes += this.#linesSize
      this.#syncTimer ??= setTimeout(() => {
        this.#syncTimer = undefined
        this.#awaited = this.#sealed
        this.#kick()
      }, SYNC_INTERVAL_MS).unref()
    }
    this.#lines = []
    this.#linesSize = 0
  }

  #kick(): void {
    if (this.#running !== undefined) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      // What was asked for while the last call ended.
      if (this.#hasWork()) this.#kick()
    })
  }

  #hasWork(): boolean {
    if (!this.#isWriting) return false
    return this.#queue.length > 0 || this.#needsSync()
  }

  /** Not before all that is awaited is written; then before anything else is, or it might never come to it. */
  #needsSync(): boolean {
    const isEnough = this.#queue.length === 0 || this.#written >= this.#awaited
    return this.#written > this.#synced && this.#awaited > this.#synced && isEnough
  }

  async #run(): Promise<void> {
    while (this.#hasWork()) {
      const next = this.#queue[0]
      try {
        if (next === undefined || this.#needsSync()) {
          await this.#sync()
        } else if ('generation' in next) {
          await this.#begin(next)
          if (this.#queue[0] === next) this.#queue.shift()
          next.resolve()
        } else {
          await this.#write()
        }
      } catch (error) {
        this.#fail(logFailed(error))
      }
    }
  }

  get #isWriting(): boolean {
    return this.#state === 'healthy' || this.#state === 'healing'
  }

  /** The batches at the head of the queue, up to some size. */
  #encodeBatches(most: number): { bytes: Buffer; count: number; size: number; last: number } {
    const texts: string[] = []
    let count = 0
    let size = 0
    let last = this.#written
    for (const item of this.#queue) {
      if ('generation' in item || size > most) break
      let crc = 0
      for (const line of item.lines) crc = crc32(line, crc)
      texts.push(...item.lines, endLine(item.sequence, this.#synced, crc))
      count++
      size += item.size
      last = item.sequence
    }
    return { bytes: Buffer.concat(texts.map((text) => Buffer.from(text))), count, size, last }
  }

  async #write(): Promise<void> {
    const { bytes, count, size, last } = this.#encodeBatches(2 ** 24)
    const queue = this.#queue
    await this.#append(bytes)
    // A cut may have dropped them meanwhile.
    if (queue !== this.#queue) return
    queue.splice(0, count)
    this.#end = this.#position
    this.#queuedBytes -= size
    this.#written = last
  }

  async #append(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await write(this.#file!, bytes, done, bytes.length - done, this.#position)
      done += bytesWritten
      this.#position += bytesWritten
    }
    this.#appendedBytes += bytes.length
  }

  async #sync(): Promise<void> {
    const written = this.#written
    const startMs = performance.now()
    await datasync(this.#file!)
    this.#lastSyncMs = performance.now() - startMs
    this.#longestSyncMs = Math.max(this.#longestSyncMs, this.#lastSyncMs)
    this.#syncs++
    this.#synced = written
    if (this.#state === 'healthy') this.#durable = Math.max(this.#durable, written)
    if (this.#sealed === written) {
      clearTimeout(this.#syncTimer)
      this.#syncTimer = undefined
    }
    this.#tell()
  }

  async #begin(beginning: Beginning): Promise<void> {
    const { generation, first, afterFailure } = beginning
    if (this.#file !== undefined) {
      if (!afterFailure) await this.#sync()
      fs.closeSync(this.#file)
      this.#file = undefined
    }
    this.#file = await openFile(join(this.#path, logName(generation)), 'w')
    this.#position = 0
    await this.#append(Buffer.from(headerLine({ storeId: this.#storeId, generation, first, afterFailure })))
    await datasync(this.#file)
    await syncDirectory(this.#path)
    this.#written = this.#synced = first - 1
    this.#end = this.#position
    this.#countSegments()
  }

  /** Nothing more is written to the file, and what waits for it is in memory only. */
  #fail(failure: ForkstoreError): void {
    if (!this.#isWriting) return
    this.#state = this.#state === 'healing' ? 'read-only' : 'failed'
    this.#failure = failure
    this.#drop()
    this.#tell()
  }

  #drop(): void {
    clearTimeout(this.#syncTimer)
    this.#syncTimer = undefined
    for (const item of this.#queue) {
      if ('generation' in item) item.reject(this.#failure ?? logFailed(undefined))
    }
    this.#queue = []
    this.#queuedBytes = 0
  }

  /** On a turn of its own, once for all that happens until then. */
  #tell(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    setImmediate(() => {
      this.#isTelling = false
      if (this.#state !== 'closed') this.onProgress()
    })
  }

  #countSegments(): void {
    this.#segments = logGenerations(fs.readdirSync(this.#path)).length
  }
}

// Through `fs`, so that tests can make them fail.
const write = (file: number, bytes: Buffer, at: number, length: number, position: number) =>
  promisify(fs.write)(file, bytes, at, length, position)
const datasync = (file: number): Promise<void> => promisify(fs.fdatasync)(file)
const openFile = (path: string, flags: string): Promise<number> => promisify(fs.open)(path, flags)

async function syncDirectory(path: string): Promise<void> {
  const directory = await openFile(path, 'r')
  try {
    await promisify(fs.fsync)(directory)
  } finally {
    fs.closeSync(directory)
  }
}

function logFailed(cause: unknown): ForkstoreError {
  const reason = cause instanceof Error ? cause.message : 'the snapshot that was to heal it failed'
  return new ForkstoreError('ERR_FORKSTORE_LOG_FAILED', `the log failed: ${reason}`, { cause })
}
