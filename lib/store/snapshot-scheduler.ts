import { types } from 'node:util'
import { unlessAborted } from './abort.js'
import { makeDeferred, type Deferred } from '../base/deferred.js'
import type { Engine } from '../contract/engine.js'
import { ForkstoreError } from '../base/errors.js'
import type { ResolvedSnapshotOptions } from './resolved-options.js'
import type { SnapshotResult } from '../base/types.js'
import { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from '../base/timers.js'

const FIRST_RETRY_MS = 1000
const MOST_RETRY_MS = 60_000
const LEAST_WRITES = 100_000
const LEAST_LOG_BYTES = 32 * 2 ** 20

interface SchedulerEvents {
  onSnapshot: (result: SnapshotResult) => void
  /**
   * `isNews`: the first failure since the last success of a snapshot that nobody waited for, so that nobody
   * else is told of it.
   */
  onFailure: (error: ForkstoreError, isNews: boolean) => void
}

interface Request extends Deferred<SnapshotResult> {
  /** How many callers wait for it; the triggers do not, nor those whose signal was aborted. */
  waiting: number
}

/**
 * Decides when snapshots are taken: on request, every so often, after so many writes, again after a
 * failure. Invariants: one snapshot at a time; it starts between two turns of the event loop, never
 * within one; whoever asks while one is running gets the following one, since the running one does not
 * hold the latest writes, and all who ask meanwhile share it.
 */
export class SnapshotScheduler {
  readonly #engine: Engine
  readonly #options: ResolvedSnapshotOptions
  readonly #isAutomatic: boolean
  readonly #events: SchedulerEvents
  readonly #interval: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  /** Asked for, not started. */
  #next: Request | undefined
  #running: Promise<void> | undefined
  #writes = 0
  /** `#writes` when the last snapshot that succeeded was started. */
  #savedWrites = 0
  /** `#writes` when the last snapshot was started. */
  #startedWrites = 0
  /** `#writes` when the last snapshot was started or asked for. */
  #triggeredWrites = 0
  /** `#writes` from which on their number may ask for the next snapshot. */
  #dueWrites: number
  /** The same of the log, in bytes; what opening has replayed is part of it. */
  #logBytes = 0
  #replayedLogBytes = 0
  #triggeredLogBytes = 0
  #dueLogBytes: number
  /** Something other than a write asks for a snapshot: the log must be healed by one. */
  #isNeeded = false
  #failures = 0
  /** Snapshots in a row that failed, or after which one was still needed: the more, the later the next try. */
  #vainTries = 0
  /** No more snapshots but those that are asked for. */
  #isEnding = false
  /** Since the last success, a snapshot that nobody waited for has failed. */
  #isFailing = false
  #last: SnapshotResult | undefined
  /** Of the last snapshot, if it has failed. */
  #failure: ForkstoreError | undefined

  /** `isAutomatic` false: only on request. */
  constructor(
    engine: Engine,
    options: ResolvedSnapshotOptions,
    isAutomatic: boolean,
    events: SchedulerEvents,
  ) {
    this.#engine = engine
    this.#options = options
    this.#isAutomatic = isAutomatic && engine.path !== undefined
    this.#events = events
    this.#dueWrites = options.afterWrites ?? LEAST_WRITES
    this.#dueLogBytes = options.everyLogBytes ?? LEAST_LOG_BYTES
    if (this.#isAutomatic && options.everyMs > 0) {
      this.#interval = setInterval(() => this.#trigger(), options.everyMs).unref()
    }
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  get last(): SnapshotResult | undefined {
    return this.#last
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** Something was written since the last snapshot that succeeded was started. */
  get isDirty(): boolean {
    return this.#writes !== this.#savedWrites
  }

  /** Called after each write. */
  onWrite(): void {
    if (++this.#writes >= this.#dueWrites) this.#lookAtWrites()
  }

  /** How many writes there were; for `takeBack`. */
  get writes(): number {
    return this.#writes
  }

  /**
   * Called when the writes since there were so many have been taken back, within the turn that made them: there is
   * nothing of them to save. (What outlives them, as new shapes do, is in the log.)
   */
  takeBack(writes: number): void {
    this.#writes = writes
    if (this.#triggeredWrites <= writes) return
    this.#triggeredWrites = writes
    this.#dueWrites = writes // to be looked at anew with the next write
  }

  /** Called when a turn that wrote to the log has ended: its length since the store was opened. */
  onLogged(appendedBytes: number): void {
    this.#logBytes = this.#replayedLogBytes + appendedBytes
    if (this.#logBytes >= this.#dueLogBytes) this.#lookAtLog()
  }

  /** What opening found in the log: no snapshot holds it yet. */
  onReplayed(writes: number, logBytes: number): void {
    this.#writes += writes
    this.#replayedLogBytes = this.#logBytes = logBytes
  }

  #lookAtWrites(): void {
    const { afterWrites } = this.#options
    if (afterWrites === 0 || !this.#isAutomatic) {
      this.#dueWrites = Infinity
      return
    }
    // Only now is it worth asking how large the store is.
    const most = afterWrites ?? Math.max(LEAST_WRITES, this.#engine.weight().items)
    this.#dueWrites = this.#triggeredWrites + most
    if (this.#writes >= this.#dueWrites) this.#trigger()
  }

  #lookAtLog(): void {
    const { everyLogBytes } = this.#options
    if (everyLogBytes === 0 || !this.#isAutomatic) {
      this.#dueLogBytes = Infinity
      return
    }
    const most = everyLogBytes ?? Math.max(LEAST_LOG_BYTES, this.#engine.weight().bytes)
    this.#dueLogBytes = this.#triggeredLogBytes + most
    if (this.#logBytes >= this.#dueLogBytes) this.#trigger()
  }

  /**
   * Whether a snapshot is needed, whatever was written: from then on one is taken, automatic or not, as soon
   * as none runs, and again, later and later, until none is needed. That one succeeded does not end the need:
   * the log may have failed once more while it was taken, and only the log can tell.
   */
  need(isNeeded: boolean): void {
    const isNews = isNeeded && !this.#isNeeded
    this.#isNeeded = isNeeded
    // One that runs while the need goes on is followed by a retry.
    if (isNeeded && (isNews || this.#running === undefined)) this.#trigger()
    if (!isNeeded && this.#failures === 0) this.#clearRetry()
  }

  /** Asks for a snapshot of at least what is written now. When `signal` is aborted, the caller waits no more. */
  request(signal?: AbortSignal): Promise<SnapshotResult> {
    if (this.#engine.path === undefined) {
      return Promise.reject(
        new ForkstoreError(
          'ERR_FORKSTORE_INVALID_ARGUMENT',
          'the store is memory only: there is nowhere to save it',
        ),
      )
    }
    const request = this.#ask()
    request.waiting++
    return unlessAborted(request.promise, signal, () => request.waiting--)
  }

  /** Ends all triggers, then waits for what is running or asked for; the failure of the last that it waited for. */
  async finish(): Promise<ForkstoreError | undefined> {
    this.#isEnding = true
    clearInterval(this.#interval)
    this.#clearRetry()
    if (this.#next === undefined && this.#running === undefined) return undefined
    while (this.#next !== undefined || this.#running !== undefined) {
      await (this.#next?.promise.catch(() => undefined) ?? this.#running)
    }
    this.#clearRetry()
    return this.#failure
  }

  /** An automatic snapshot, unless there is nothing to save, one is asked for, or a retry is due. */
  #trigger(): void {
    this.#triggeredWrites = this.#writes
    this.#triggeredLogBytes = this.#logBytes
    // A running one holds what was written before it started; if it fails, that is tried again.
    const isCovered = this.#running === undefined ? !this.isDirty : this.#writes === this.#startedWrites
    if (
      this.#isEnding ||
      (isCovered && !this.#isNeeded) ||
      this.#next !== undefined ||
      this.#retry !== undefined
    )
      return
    this.#ask().promise.catch(() => undefined) // told by the event
  }

  #ask(): Request {
    if (this.#next === undefined) {
      this.#next = { ...makeDeferred<SnapshotResult>(), waiting: 0 }
      if (this.#running === undefined) this.#startSoon()
    }
    return this.#next
  }

  #startSoon(): void {
    setImmediate(() => {
      this.#running = this.#take(this.#next!)
    })
  }

  async #take(request: Request): Promise<void> {
    this.#next = undefined
    clearTimeout(this.#retry)
    this.#retry = undefined
    const writes = this.#writes
    this.#triggeredWrites = this.#startedWrites = writes
    this.#triggeredLogBytes = this.#logBytes
    const { keep, watchdogMs, strategy, maxCopiedBytes, maxBytesPerSecond } = this.#options
    let outcome: SnapshotResult | ForkstoreError
    try {
      outcome = await this.#engine.snapshot({
        keep,
        watchdogMs,
        strategy,
        maxCopiedBytes,
        maxBytesPerSecond,
      })
    } catch (error) {
      outcome = asSnapshotError(error)
    }
    this.#running = undefined
    this.#failure = undefined
    if (outcome instanceof ForkstoreError) {
      this.#failures++
      this.#failure = outcome
    } else {
      this.#failures = 0
      this.#isFailing = false
      this.#savedWrites = writes
      this.#last = outcome
    }
    // What is known of the need may be old; then the news that it has ended is on its way, and takes the
    // retry back.
    const isVain = outcome instanceof ForkstoreError || this.#isNeeded
    this.#vainTries = isVain ? this.#vainTries + 1 : 0
    if (isVain && (this.#isAutomatic || this.#isNeeded)) this.#retryLater()
    if (this.#next !== undefined) this.#startSoon()
    if (outcome instanceof ForkstoreError) {
      request.reject(outcome)
      const isNews = request.waiting === 0 && !this.#isFailing && !this.#isEnding // close() rejects
      if (isNews) this.#isFailing = true
      this.#events.onFailure(outcome, isNews)
    } else {
      request.resolve(outcome)
      this.#events.onSnapshot(outcome)
    }
  }

  #clearRetry(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#vainTries = 0
  }

  #retryLater(): void {
    const most = Math.min(this.#options.everyMs || MOST_RETRY_MS, MOST_RETRY_MS)
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#vainTries - 1, 16), most)
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#trigger()
    }, delayMs).unref()
  }
}

function asSnapshotError(error: unknown): ForkstoreError {
  if (error instanceof ForkstoreError && error.code === 'ERR_FORKSTORE_SNAPSHOT_FAILED') return error
  const reason = types.isNativeError(error) ? error.message : String(error)
  return new ForkstoreError('ERR_FORKSTORE_SNAPSHOT_FAILED', `the snapshot failed: ${reason}`, {
    cause: error,
  })
}
