import { makeDeferred, type Deferred } from './deferred.js'
import type { Engine } from './engine.js'
import { ForkstoreError } from './errors.js'
import type { SnapshotOptions, SnapshotResult } from './types.js'

const FIRST_RETRY_MS = 1000
const MOST_RETRY_MS = 60_000

export interface SchedulerEvents {
  onSnapshot: (result: SnapshotResult) => void
  /** `isNews`: the first failure of an automatic snapshot since the last success, which nobody else is told of. */
  onFailure: (error: ForkstoreError, isNews: boolean) => void
}

interface Request extends Deferred<SnapshotResult> {
  /** Somebody besides the triggers waits for it. */
  isAsked: boolean
}

/**
 * Decides when snapshots are taken: on request, every so often, after so many writes, again after a
 * failure. Invariants: one snapshot at a time; it starts between two turns of the event loop, never
 * within one; whoever asks while one is running gets the following one, since the running one does not
 * hold the latest writes, and all who ask meanwhile share it.
 */
export class SnapshotScheduler {
  readonly #engine: Engine
  readonly #options: Required<SnapshotOptions>
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
  /** Something other than a write asks for a snapshot: the log must be healed by one. */
  #isNeeded = false
  #failures = 0
  /** Snapshots in a row that failed, or after which one was still needed: the more, the later the next try. */
  #vainTries = 0
  /** No more snapshots but those that are asked for. */
  #isEnding = false
  /** Since the last success, an automatic snapshot has failed. */
  #isFailing = false
  #last: SnapshotResult | undefined

  /** `isAutomatic` false: only on request. */
  constructor(
    engine: Engine,
    options: Required<SnapshotOptions>,
    isAutomatic: boolean,
    events: SchedulerEvents,
  ) {
    this.#engine = engine
    this.#options = options
    this.#isAutomatic = isAutomatic && engine.path !== undefined
    this.#events = events
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
    this.#writes++
    const { afterWrites } = this.#options
    if (afterWrites > 0 && this.#writes - this.#triggeredWrites >= afterWrites && this.#isAutomatic)
      this.#trigger()
  }

  /** Writes that opening found in the log: no snapshot holds them yet. */
  onReplayed(writes: number): void {
    this.#writes += writes
  }

  /**
   * Whether a snapshot is needed, whatever was written: from then on one is taken, automatic or not, as soon as none
   * runs, and again, later and later, until none is needed. That one succeeded does not end the need: the log may have
   * failed once more while it was taken, and only the log can tell.
   */
  need(isNeeded: boolean): void {
    const isNews = isNeeded && !this.#isNeeded
    this.#isNeeded = isNeeded
    // One that runs while the need goes on is followed by a retry.
    if (isNeeded && (isNews || this.#running === undefined)) this.#trigger()
    if (!isNeeded && this.#failures === 0) this.#clearRetry()
  }

  /** Asks for a snapshot of at least what is written now. */
  request(): Promise<SnapshotResult> {
    if (this.#engine.path === undefined) {
      return Promise.reject(
        new ForkstoreError(
          'ERR_FORKSTORE_INVALID_ARGUMENT',
          'the store is memory only: there is nowhere to save it',
        ),
      )
    }
    const request = this.#ask()
    request.isAsked = true
    return request.promise
  }

  /** Ends all triggers, then waits for what is running or asked for. */
  async finish(): Promise<void> {
    this.#isEnding = true
    clearInterval(this.#interval)
    this.#clearRetry()
    // Its failure is told to those who asked, and by the event.
    while (this.#next !== undefined || this.#running !== undefined) {
      await (this.#next?.promise.catch(() => undefined) ?? this.#running)
    }
    this.#clearRetry()
  }

  /** An automatic snapshot, unless there is nothing to save, one is asked for, or a retry is due. */
  #trigger(): void {
    this.#triggeredWrites = this.#writes
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
      this.#next = { ...makeDeferred<SnapshotResult>(), isAsked: false }
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
    const { keep, watchdogMs } = this.#options
    let outcome: SnapshotResult | ForkstoreError
    try {
      outcome = await this.#engine.snapshot({ keep, watchdogMs })
    } catch (error) {
      outcome = asSnapshotError(error)
    }
    this.#running = undefined
    if (outcome instanceof ForkstoreError) {
      this.#failures++
    } else {
      this.#failures = 0
      this.#isFailing = false
      this.#savedWrites = writes
      this.#last = outcome
    }
    // What is known of the need may be old; then the news that it has ended is on its way, and takes the retry back.
    const isVain = outcome instanceof ForkstoreError || this.#isNeeded
    this.#vainTries = isVain ? this.#vainTries + 1 : 0
    if (isVain && (this.#isAutomatic || this.#isNeeded)) this.#retryLater()
    if (this.#next !== undefined) this.#startSoon()
    if (outcome instanceof ForkstoreError) {
      request.reject(outcome)
      const isNews = !request.isAsked && !this.#isFailing
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
  const reason = error instanceof Error ? error.message : String(error)
  return new ForkstoreError('ERR_FORKSTORE_SNAPSHOT_FAILED', `the snapshot failed: ${reason}`, {
    cause: error,
  })
}
