import { EventEmitter } from 'node:events'
import { Durability } from './durability.js'
import type { Engine } from './engine.js'
import { closedError, ForkstoreError } from './errors.js'
import { IdleWork } from './idle-work.js'
import type { ForkstoreMap } from './map.js'
import type { ResolvedOptions } from './options.js'
import { SnapshotScheduler } from './snapshot-scheduler.js'
import { describeRecovered } from './recovered.js'
import { checkTransaction, closedWithin, refuseThenable } from './transaction.js'
import type { AnyRoot, Key, Recovered, SnapshotResult, StoreEvents, StoreStats } from './types.js'

/**
 * An open store; made by `open`. After `close()` every method throws
 * `ERR_FORKSTORE_CLOSED`, or rejects with it.
 *
 * Events: `snapshot` and `snapshot-error` after each snapshot; `recovered`, and `warning` of what
 * opening met, once, in the turn after `open`. Where nobody listens, the process is warned (`ForkstoreWarning`) of what was recovered, and
 * of the first in a row of automatic snapshots that fail. `warning` also tells that the log has failed (the
 * `ForkstoreError`), and that the disk is behind; once, until it works again or has caught up.
 */
export class Store<Root extends object = AnyRoot> extends EventEmitter<StoreEvents> {
  /** Absolute path of the directory; undefined: memory only. */
  readonly path: string | undefined
  /** Which engine runs. */
  readonly engine: 'native' | 'js'
  /** What opening had to leave behind; undefined when all was well. */
  readonly recovered: Recovered | undefined
  readonly #engine: Engine
  readonly #scheduler: SnapshotScheduler
  /** undefined: no log. */
  readonly #durability: Durability | undefined
  readonly #idleWork: IdleWork
  readonly #snapshotOnClose: boolean
  #closing: Promise<void> | undefined

  /** For `open` only. */
  constructor(engine: Engine, options: ResolvedOptions, warning?: Error) {
    super()
    this.path = engine.path
    this.engine = engine.name
    this.recovered = engine.recovered
    this.#engine = engine
    this.#snapshotOnClose = options.snapshot.onClose && engine.path !== undefined
    this.#idleWork = new IdleWork(engine)
    this.#scheduler = new SnapshotScheduler(engine, options.snapshot, options.isAutomatic, {
      onSnapshot: (result) => this.#tell(() => this.emit('snapshot', result)),
      onFailure: (error, isNews) =>
        this.#tell(() => {
          if (!this.emit('snapshot-error', error) && isNews)
            warnProcess(`${this.path}: ${error.message}`, error)
        }),
    })
    this.#scheduler.onReplayed(engine.replayedWrites)
    if (engine.log !== undefined && options.durability !== 'snapshot') {
      this.#durability = new Durability(engine.log, options.durability, {
        onTurnEnd: () => engine.settle(),
        onNeed: (isNeeded) => this.#scheduler.need(isNeeded),
        onWarning: (each) => this.#tell(() => this.#warn(each)),
      })
    }
    engine.onWrite = () => {
      this.#durability?.onWrite()
      this.#scheduler.onWrite()
      this.#idleWork.onWrite()
    }
    // A turn later: whoever awaits `open` has had the time to listen.
    const { recovered } = this
    if (recovered !== undefined) {
      setImmediate(() => {
        if (!this.emit('recovered', recovered)) warnProcess(`${this.path}: ${describeRecovered(recovered)}`)
      })
    }
    if (warning !== undefined) setImmediate(() => this.#warn(warning))
  }

  /**
   * The live tree: an object whose members, at any depth, are objects and arrays that live in the store, read and
   * changed with ordinary syntax. Assigning copies; what is read is a live view (docs/design.md, "Views").
   */
  get root(): Root {
    this.#assertOpen()
    return this.#engine.tree.root.view as Root
  }

  /**
   * All or nothing: runs `change` and returns its result; when it throws, everything that it wrote to the tree and to
   * maps is taken back, and the error goes on. Within one another, the inner is a part that can be taken back by itself.
   * Maps that were made stay. Errors: `ERR_FORKSTORE_TRANSACTION` for an async function, and for one that returns a
   * promise, whose changes are taken back: nothing of a transaction can wait.
   */
  transaction<Result>(change: () => Result): Result {
    this.#assertOpen()
    checkTransaction(change)
    const engine = this.#engine
    engine.settle()
    const outer = engine.scopes
    try {
      engine.begin()
      const result = change()
      refuseThenable(result)
      engine.commit()
      return result
    } catch (error) {
      engine.keptScopes = outer
      engine.settle()
      throw error
    }
  }

  /** The map with this name, made when it is new. The same object each time. */
  map<V = unknown, K extends Key = Key>(name: string): ForkstoreMap<V, K> {
    this.#assertOpen()
    if (typeof name !== 'string' || name === '') {
      throw new ForkstoreError(
        'ERR_FORKSTORE_INVALID_ARGUMENT',
        'map: the name must be a string that is not empty',
      )
    }
    return this.#engine.map(name) as unknown as ForkstoreMap<V, K>
  }

  /**
   * Saves everything that is written up to the end of this turn of the event loop. Calls while one is
   * running share one following snapshot. Rejects with `ERR_FORKSTORE_SNAPSHOT_FAILED` (`cause` tells why;
   * the previous snapshot is untouched), or `ERR_FORKSTORE_INVALID_ARGUMENT` when the store is memory only.
   */
  async snapshot(): Promise<SnapshotResult> {
    this.#assertOpen()
    return this.#scheduler.request()
  }

  /**
   * Resolves when everything that is written now is on disk: covered by a completed fdatasync. Handlers that wait
   * together share one. With `durability: 'snapshot'` it takes a snapshot, if something was written since the last.
   *
   * Rejects with `ERR_FORKSTORE_LOG_FAILED` when the disk has refused (`cause` tells why), and until the store has
   * healed by a snapshot; what was written stays in memory, and is on disk once it has. With `durability: 'snapshot'`:
   * as `snapshot()` does. `ERR_FORKSTORE_INVALID_ARGUMENT` when the store is memory only.
   */
  commit(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError())
    if (this.#durability !== undefined) return this.#durability.commit()
    if (this.path !== undefined && !this.#scheduler.isDirty) return Promise.resolve()
    return this.#scheduler.request().then(() => undefined)
  }

  stats(): StoreStats {
    this.#assertOpen()
    const { entries, writes, nodes, bytes, collections, snapshotBytesWritten } = this.#engine.stats()
    const { isRunning, last, failures } = this.#scheduler
    return {
      engine: this.engine,
      entries,
      writes,
      nodes,
      bytes,
      collections,
      snapshot: { running: isRunning, bytesWritten: snapshotBytesWritten, last, failures },
      log: this.#durability?.stats(),
    }
  }

  /**
   * Refuses everything from now on, syncs the log, waits for a running snapshot, takes a last one if something was
   * written since (`snapshot.onClose`: the next `open` is quicker for it), and gives memory and lock back. Rejects with
   * `ERR_FORKSTORE_SNAPSHOT_FAILED` when the last snapshot failed, with `ERR_FORKSTORE_LOG_FAILED` when what was
   * written is not on disk; the store is closed then too. Further calls return the same promise. Within a
   * transaction: `ERR_FORKSTORE_TRANSACTION`, and the store stays open.
   */
  close(): Promise<void> {
    this.#engine.settle()
    if (this.#engine.scopes > 0) return Promise.reject(closedWithin())
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#engine.seal()
    this.#idleWork.stop()
    try {
      const isLogged = this.#durability?.commit().then(
        () => true,
        () => false,
      )
      await this.#scheduler.finish()
      // What the log has lost a snapshot saves, also where none was wanted.
      const isNeeded = (await isLogged) === false
      if (isNeeded || (this.#snapshotOnClose && this.#scheduler.isDirty)) {
        const last = this.#scheduler.request()
        await this.#scheduler.finish()
        await last
      }
    } finally {
      await this.#closeEngine()
    }
  }

  async #closeEngine(): Promise<void> {
    try {
      await this.#durability?.close()
    } finally {
      this.#engine.close()
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }

  #warn(warning: Error): void {
    if (!this.emit('warning', warning)) process.emitWarning(warning)
  }

  /** A listener that throws is the application's error: it must not become ours. */
  #tell(emit: () => void): void {
    try {
      emit()
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
  }
}

function warnProcess(message: string, cause?: Error): void {
  const warning = new Error(message, { cause })
  warning.name = 'ForkstoreWarning'
  process.emitWarning(warning)
}
