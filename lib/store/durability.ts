import { makeDeferred, type Deferred } from '../base/deferred.js'
import type { EngineLog } from '../contract/engine-log.js'
import { ForkstoreError, ForkstoreWarning } from '../base/errors.js'
import {
  addExitHandler,
  hasTurnThrown,
  isProcessExiting,
  removeExitHandler,
  type ExitHandler,
} from './exit-sync.js'
import type { DurabilityMode, LogStats } from '../base/types.js'
import { clearImmediate, setImmediate } from '../base/timers.js'

interface Waiter extends Deferred<void> {
  sequence: number
}

/** A disk that hangs shall not keep a process from ending. */
const MOST_EXIT_MS = 5000
const FOR_EVER_MS = 2 ** 31 - 1

interface DurabilityEvents {
  /** The turn has ended, and its batch is about to. */
  onTurnEnd: () => void
  /** Whether a transaction is open. */
  isWithin: () => boolean
  /** The process ends in the middle of a transaction: it is taken back. */
  onExitWithinTransaction: () => void
  /** It has ended; the length of the log since the store was opened. */
  onLogged: (appendedBytes: number) => void
  /** The log needs a snapshot to work again, or does not. Told more than once. */
  onNeed: (isSnapshotNeeded: boolean) => void
  onWarning: (warning: Error) => void
}

/**
 * Drives the log of an engine: ends the batch when the turn of the event loop has ended, resolves `commit()`,
 * and says when the log is in trouble. Invariant: a promise of `commit()` resolves only after a completed
 * sync has covered all that was written before the call.
 *
 * The turn ends with the next `setImmediate`: what callbacks of the same round of the event loop write shares
 * a batch, and no callback is ever cut in two. Snapshots start at the same moment, and seal the batch
 * themselves.
 */
export class Durability implements ExitHandler {
  readonly #log: EngineLog
  readonly #mode: Exclude<DurabilityMode, 'snapshot'>
  readonly #events: DurabilityEvents
  #turn: NodeJS.Immediate | undefined
  /** The batch of this turn shall be on disk as soon as possible. */
  #isSyncAsked = false
  /**
   * In the order of their sequences, but for those of this turn: a rollback may have taken away what they wait for.
   */
  #waiters: Waiter[] = []
  #isBehindTold = false
  #isFailureTold = false

  constructor(log: EngineLog, mode: Exclude<DurabilityMode, 'snapshot'>, events: DurabilityEvents) {
    this.#log = log
    this.#mode = mode
    this.#events = events
    log.onProgress = () => this.#look()
    addExitHandler(this)
  }

  /** Called after each write. */
  onWrite(): void {
    if (this.#turn === undefined) this.#endTurnSoon()
  }

  /**
   * Resolves when all that is written now is on disk; those who ask within one turn share the promise. Rejects with
   * ERR_FORKSTORE_LOG_FAILED when that is not known to happen.
   */
  commit(): Promise<void> {
    const log = this.#log
    const sequence = log.sequenceToAwait()
    // First, since many handlers of one turn ask; whatever becomes of the log, this promise hears of it.
    const last = this.#waiters.at(-1)
    if (last?.sequence === sequence) return last.promise
    const { state } = log
    if (state === 'failed' || state === 'read-only') return Promise.reject(this.#failure())
    if (state === 'healthy' && sequence <= log.durableSequence) return Promise.resolve()
    const answer: Deferred<void> = makeDeferred()
    const waiter = { ...answer, sequence }
    if (this.#waiters.push(waiter) === 1) log.hold(true)
    this.#isSyncAsked = true
    if (this.#turn === undefined) this.#endTurnSoon()
    return waiter.promise
  }

  /** As `commit`, and holds everything up meanwhile. Throws where that rejects. REQUIRES: no open transaction. */
  commitSync(): void {
    const log = this.#log
    const sequence = log.sequenceToAwait()
    // The snapshot that a log heals by needs the event loop.
    if (log.state !== 'healthy') throw this.#failure()
    this.#endTurn()
    log.syncNow(FOR_EVER_MS)
    // Those who wait are told in their turn.
    if (log.state !== 'healthy' || log.durableSequence < sequence) throw this.#failure()
  }

  /** Called after an outermost transaction. */
  onTransaction(): void {
    if (isProcessExiting()) this.onExit()
  }

  onExit(): void {
    clearImmediate(this.#turn)
    this.#turn = undefined // so that the next write asks again
    if (this.#events.isWithin()) this.#events.onExitWithinTransaction()
    // Half of what a turn that has thrown was to do is not wanted.
    if (!hasTurnThrown()) this.#endTurn()
    this.#log.syncNow(MOST_EXIT_MS)
  }

  stats(): LogStats {
    const log = this.#log
    return { durability: this.#mode, state: stateOf(log), behind: log.isBehind, ...log.stats() }
  }

  /** Ends with the log closed. Rejects when it could not be brought to disk. */
  async close(): Promise<void> {
    this.#endTurn()
    removeExitHandler(this)
    // Those who still wait hear of the end of their wait in either case.
    try {
      await this.#log.close()
      this.#settle(undefined)
    } catch (error) {
      this.#settle(error as ForkstoreError)
      throw error
    } finally {
      clearImmediate(this.#turn)
    }
  }

  #endTurnSoon(): void {
    // The event loop does not turn any more; a transaction ends by itself.
    if (isProcessExiting()) return this.#events.isWithin() ? undefined : this.onExit()
    this.#turn = setImmediate(() => {
      this.#turn = undefined
      this.#endTurn()
    })
  }

  #endTurn(): void {
    const isSyncAsked = this.#isSyncAsked || this.#mode === 'commit'
    this.#isSyncAsked = false
    const log = this.#log
    this.#events.onTurnEnd()
    log.endBatch(isSyncAsked)
    this.#events.onLogged(log.appendedBytes)
    if (isSyncAsked) {
      // Who asked within a transaction that was rolled back waits for the batch of its writes, and there may
      // be none.
      const sealed = log.sequenceToAwait()
      for (const waiter of this.#waiters) waiter.sequence = Math.min(waiter.sequence, sealed)
      this.#settleUpTo(log.durableSequence, log.state)
    }
    if (log.isBehind && !this.#isBehindTold) this.#look()
  }

  /** Something may have changed. On a turn of its own. */
  #look(): void {
    const log = this.#log
    const { state, durableSequence } = log
    this.#settleUpTo(durableSequence, state)
    const isFailed = state === 'failed' || state === 'read-only'
    // Until it has healed, not only until it is tried again.
    log.refusesWrites = state === 'read-only' || (log.refusesWrites && state !== 'healthy')
    if (isFailed) {
      const failure = this.#failure()
      this.#settle(failure)
      if (!this.#isFailureTold) this.#events.onWarning(failure)
      this.#isFailureTold = true
    }
    if (state === 'healthy') this.#isFailureTold = false
    // While it heals, the snapshot under way is the one.
    if (state !== 'healing') this.#events.onNeed(isFailed)
    const { isBehind } = log
    if (isBehind && !this.#isBehindTold) this.#events.onWarning(behindWarning(log))
    this.#isBehindTold = isBehind
  }

  #settleUpTo(durableSequence: number, state: EngineLog['state']): void {
    // While it heals, what the log holds is worth nothing without the snapshot.
    if (state === 'healing' || this.#waiters.length === 0) return
    let count = 0
    while (count < this.#waiters.length && this.#waiters[count]!.sequence <= durableSequence) count++
    for (const waiter of this.#waiters.splice(0, count)) waiter.resolve()
    if (count > 0 && this.#waiters.length === 0) this.#log.hold(false)
  }

  /** Ends all waiting. */
  #settle(error: ForkstoreError | undefined): void {
    if (this.#waiters.length === 0) return
    if (this.#log.state !== 'closed') this.#log.hold(false)
    for (const waiter of this.#waiters.splice(0)) {
      if (error === undefined) waiter.resolve()
      else waiter.reject(error)
    }
  }

  #failure(): ForkstoreError {
    return (
      this.#log.failure ??
      new ForkstoreError('ERR_FORKSTORE_LOG_FAILED', 'the log could not be brought to disk')
    )
  }
}

/** As it is in this turn of the event loop: writes are refused from the next one on. */
function stateOf({ state, refusesWrites }: EngineLog): LogStats['state'] {
  if (state === 'closed') return 'healthy'
  if (refusesWrites) return 'read-only'
  return state === 'read-only' ? 'failed' : state
}

function behindWarning(log: EngineLog): Error {
  const megabytes = Math.round(log.stats().bufferedBytes / 2 ** 20)
  return new ForkstoreWarning(
    `the disk is behind: ${megabytes} MiB of changes wait to be written to the log; commit() takes as long as the disk does`,
  )
}
