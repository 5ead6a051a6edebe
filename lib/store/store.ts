import { EventEmitter } from 'node:events'
import { inspect, type InspectOptionsStylized } from 'node:util'
import { signalOf } from './abort.js'
import { cancelCloseOnSignal, closeOnSignal, type Closing } from './close-on.js'
import { Durability } from './durability.js'
import type { Engine } from '../contract/engine.js'
import {
  closedError,
  ForkstoreError,
  ForkstoreWarning,
  notConstructible,
  refuseJson,
  warnProcess,
} from '../base/errors.js'
import { showAs } from '../base/inspection.js'
import { checkReceivers, isObject } from '../base/receivers.js'
import { IdleWork } from './idle-work.js'
import type { AnyMap, ForkstoreMap } from '../collections/map.js'
import type { ResolvedOptions } from './resolved-options.js'
import { SnapshotScheduler } from './snapshot-scheduler.js'
import { describeRecovered } from './recovered.js'
import { inScope } from '../collections/scopes.js'
import { checkTransaction, closedWithin, committedWithin, refuseThenable } from './transaction.js'
import type {
  AnyRoot,
  Key,
  Recovered,
  SnapshotResult,
  Storable,
  StoreEvents,
  StoreStats,
  Synchronous,
} from '../base/types.js'
import { setImmediate } from '../base/timers.js'
import { uncloneable } from '../base/uncloneable.js'

/**
 * An open store; made by `open`. After `close()` every method throws
 * `ERR_FORKSTORE_CLOSED`, or rejects with it.
 *
 * Events: `snapshot` and `snapshot-error` after each snapshot; `recovered`, and `warning` of what
 * opening met, once, in the turn after `open`. Where nobody listens, the process is warned
 * (`ForkstoreWarning`) of what was recovered, and of the first in a row of automatic snapshots that fail.
 * `warning` also tells that the log has failed (the `ForkstoreError`), and that the disk is behind; once,
 * until it works again or has caught up.
 */
export class Store<Root extends object = AnyRoot> extends EventEmitter<StoreEvents> {
  static {
    const isStore = (value: unknown): boolean => isObject(value) && #assertOpen in value
    checkReceivers(this.prototype, isStore, 'store', ['close', 'commit', 'snapshot'])
  }

  readonly #engine: Engine<AnyMap>
  readonly #scheduler: SnapshotScheduler
  /** undefined: no log. */
  readonly #durability: Durability | undefined
  readonly #idleWork: IdleWork
  readonly #snapshotOnClose: boolean
  readonly #closesOn: ResolvedOptions['closeOn']
  readonly #onSignal: Closing = {
    close: () =>
      this.close().catch((error: unknown) =>
        warnProcess(new ForkstoreWarning(`${this.path}: ${String(error)}`)),
      ),
  }
  #closing: Promise<void> | undefined

  /** For `open` only. */
  constructor(engine: Engine<AnyMap>, options: ResolvedOptions, warning?: Error) {
    super()
    if (typeof engine?.settle !== 'function') throw notConstructible('Store', 'open(...)')
    uncloneable(this)
    this.#engine = engine
    this.#snapshotOnClose = options.snapshot.onClose && engine.path !== undefined
    // First, as it is what can fail; the others begin to run.
    if (engine.log !== undefined && options.durability !== 'snapshot') {
      this.#durability = new Durability(engine.log, options.durability, {
        onTurnEnd: () => engine.settle(),
        isWithin: () => engine.scopes > 0,
        onExitWithinTransaction: () => {
          engine.keptScopes = 0
          engine.settle()
        },
        onLogged: (appendedBytes) => this.#scheduler.onLogged(appendedBytes),
        onNeed: (isNeeded) => this.#scheduler.need(isNeeded),
        onWarning: (each) => this.#tell(() => this.#warn(each)),
      })
    }
    this.#scheduler = new SnapshotScheduler(engine, options.snapshot, options.isAutomatic, {
      // What rests while a snapshot is written goes on after it.
      onSnapshot: (result) => {
        this.#idleWork.wake()
        this.#tell(() => this.emit('snapshot', result))
      },
      onFailure: (error, isNews) => {
        this.#idleWork.wake()
        this.#tell(() => {
          if (!this.emit('snapshot-error', error) && isNews)
            warnProcess(new ForkstoreWarning(`${this.path}: ${error.message}`))
        })
      },
    })
    this.#scheduler.onReplayed(engine.replayedWrites, engine.replayedLogBytes)
    this.#idleWork = new IdleWork(engine)
    engine.onWrite = () => {
      this.#durability?.onWrite()
      this.#scheduler.onWrite()
      this.#idleWork.wake()
    }
    // The log has it, so that what follows on it can be replayed; but there is nothing in it to be saved.
    engine.onAdopt = () => this.#durability?.onWrite()
    for (const signal of options.closeOn) closeOnSignal(signal, this.#onSignal)
    this.#closesOn = options.closeOn
    // A turn later: whoever awaits `open` has had the time to listen.
    const { recovered } = this
    if (recovered !== undefined) {
      setImmediate(() => {
        if (!this.emit('recovered', recovered))
          warnProcess(new ForkstoreWarning(`${this.path}: ${describeRecovered(recovered)}`))
      })
    }
    if (warning !== undefined) setImmediate(() => this.#warn(warning))
  }

  /** Absolute path of the directory; undefined: memory only. */
  get path(): string | undefined {
    return this.#engine.path
  }

  /** Which engine runs. */
  get engine(): 'native' | 'js' {
    return this.#engine.name
  }

  /** What opening had to leave behind; undefined when all was well. */
  get recovered(): Recovered | undefined {
    return this.#engine.recovered
  }

  /**
   * The live tree: an object whose members, at any depth, are objects and arrays that live in the store, read and
   * changed with ordinary syntax. Assigning copies; what is read is a live view (docs/design.md, "Views"). Of
   * a new store it is empty, so that each member of `Root` may be missing: `root.users ??= {}`.
   */
  get root(): Partial<Root> {
    this.#assertOpen()
    return this.#engine.tree.root.view as Partial<Root>
  }

  /**
   * All or nothing: runs `change` and returns its result; when it throws, everything that it wrote to the
   * tree and to maps is taken back, and the error goes on. Within one another, the inner is a part that can
   * be taken back by itself. Maps that were made stay, those that were dropped come back. Errors:
   * `ERR_FORKSTORE_TRANSACTION` for an async function, and for one that returns a promise, whose changes are
   * taken back: nothing of a transaction can wait.
   */
  transaction<Result>(change: () => Synchronous<Result>): Result {
    this.#assertOpen()
    checkTransaction(change)
    const scheduler = this.#scheduler
    const { writes } = scheduler
    try {
      const result = inScope(this.#engine, () => {
        const result = change() as Result
        refuseThenable(result)
        return result
      })
      if (this.#engine.scopes === 0) this.#durability?.onTransaction()
      return result
    } catch (error) {
      scheduler.takeBack(writes)
      throw error
    }
  }

  /**
   * The map with this name, made when it is new. The same object each time. Types as of Map: `map<string,
   * User>('users')`.
   */
  map<K extends Key, V extends Storable<V>>(name: string): ForkstoreMap<K, V> {
    this.#assertOpen()
    checkMapName(name, 'map')
    return this.#engine.map(name) as unknown as ForkstoreMap<K, V>
  }

  /**
   * Removes a map with all that it holds, at once; the memory is given back in small steps. Whether there was
   * one of that name. From then on whatever was had of it (the map, its iterators, live views of its entries)
   * throws `ERR_FORKSTORE_DETACHED`, and `map(name)` makes a new one. Taking back a transaction brings the
   * map back, in place of one that was made under its name meanwhile.
   */
  dropMap(name: string): boolean {
    this.#assertOpen()
    checkMapName(name, 'dropMap')
    return this.#engine.dropMap(name)
  }

  /**
   * The maps, in the order in which they were made, one after the other: each has its `name` and `size`.
   * Those dropped before their turn are left out; those made meanwhile come last.
   */
  maps(): IterableIterator<AnyMap> {
    this.#assertOpen()
    return this.#engine.maps()
  }

  /**
   * Saves everything that is written up to the end of this turn of the event loop. Calls while one is
   * running share one following snapshot. Rejects with `ERR_FORKSTORE_SNAPSHOT_FAILED` (`cause` tells why;
   * the previous snapshot is untouched), or `ERR_FORKSTORE_INVALID_ARGUMENT` when the store is memory only.
   *
   * When `signal` is aborted, it rejects with the signal's `reason`, and only the waiting ends: the snapshot,
   * which others may wait for, goes on. If nobody else waits for it and it fails, that is reported as the failure
   * of an automatic one is. With a signal that was aborted before, none is begun.
   */
  async snapshot(options?: { signal?: AbortSignal | undefined }): Promise<SnapshotResult> {
    this.#assertOpen()
    const signal = signalOf(options)
    signal?.throwIfAborted()
    return this.#scheduler.request(signal)
  }

  /**
   * Resolves when everything that is written now is on disk: covered by a completed fdatasync. Handlers that wait
   * together share one. With `durability: 'snapshot'` it takes a snapshot, if something was written since the last.
   *
   * Rejects with `ERR_FORKSTORE_LOG_FAILED` when the disk has refused (`cause` tells why), and until the store has
   * healed by a snapshot; what was written stays in memory, and is on disk once it has. With `durability:
   * 'snapshot'`: as `snapshot()` does. In memory only there is nothing to lose: it resolves at once.
   */
  commit(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError())
    if (this.#durability !== undefined) return this.#durability.commit()
    if (this.path === undefined || !this.#scheduler.isDirty) return Promise.resolve()
    return this.#scheduler.request().then(() => undefined)
  }

  /**
   * As `commit()`, for handlers after which the process ends: returns when everything that is written now is
   * on disk, and holds the event loop until then, as long as the disk takes. Throws where `commit()` rejects;
   * `ERR_FORKSTORE_TRANSACTION` within a transaction, and `ERR_FORKSTORE_INVALID_ARGUMENT` with `durability:
   * 'snapshot'`, where a snapshot would have to be awaited.
   */
  commitSync(): void {
    this.#assertOpen()
    this.#engine.settle()
    if (this.#engine.scopes > 0) throw committedWithin()
    if (this.#durability !== undefined) this.#durability.commitSync()
    else if (this.path !== undefined) {
      throw new ForkstoreError(
        'ERR_FORKSTORE_INVALID_ARGUMENT',
        "commitSync: with durability: 'snapshot' there is no log to sync; await commit()",
      )
    }
  }

  stats(): StoreStats {
    this.#assertOpen()
    const { entries, writes, maps, nodes, bytes, snapshotBytesWritten } = this.#engine.stats()
    const { isRunning, last, failures } = this.#scheduler
    return {
      engine: this.engine,
      entries,
      writes,
      maps,
      nodes,
      bytes,
      snapshot: { running: isRunning, bytesWritten: snapshotBytesWritten, last, failures },
      log: this.#durability?.stats(),
    }
  }

  /**
   * Refuses everything from now on, syncs the log, waits for a running snapshot, takes a last one if something was
   * written since (`snapshot.onClose`: the next `open` is quicker for it), and gives memory and lock back.
   * Rejects with `ERR_FORKSTORE_SNAPSHOT_FAILED` when the last snapshot that it waited for has failed, with
   * `ERR_FORKSTORE_LOG_FAILED` when what was written is not on disk; the store is closed then too. Further
   * calls return the same promise. Within a transaction: `ERR_FORKSTORE_TRANSACTION`, and the store stays
   * open.
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

  /** Throws `ERR_FORKSTORE_INVALID_ARGUMENT`: a store as JSON would be an empty shell. */
  toJSON(...key: unknown[]): object {
    return refuseJson(this, key, 'a store', 'copy(store.root) and [...map]; store.snapshot() saves all of it')
  }

  [inspect.custom](
    depth: number | null,
    options: InspectOptionsStylized,
    inspectValue: typeof inspect,
  ): string {
    // What test runners make with the prototype of a store is none.
    if (!(#assertOpen in this)) return 'Store {}'
    const { path, engine } = this
    const place = path === undefined ? { memoryOnly: true } : { path }
    const members = { ...place, engine, closed: this.#closing !== undefined }
    return showAs('Store', members, depth, options, inspectValue)
  }

  async #close(): Promise<void> {
    this.#engine.seal()
    this.#idleWork.stop()
    try {
      const isLogged = this.#durability?.commit().then(
        () => true,
        () => false,
      )
      const failure = await this.#scheduler.finish()
      // What the log has lost a snapshot saves, also where none was wanted.
      const isNeeded = (await isLogged) === false
      if (isNeeded || (this.#snapshotOnClose && this.#scheduler.isDirty)) {
        const last = this.#scheduler.request()
        await this.#scheduler.finish()
        await last
      } else if (failure !== undefined) {
        throw failure
      }
    } finally {
      await this.#closeEngine()
    }
  }

  async #closeEngine(): Promise<void> {
    try {
      await this.#durability?.close()
    } finally {
      try {
        await this.#engine.close()
      } finally {
        for (const signal of this.#closesOn) cancelCloseOnSignal(signal, this.#onSignal)
      }
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }

  #warn(warning: Error): void {
    if (!this.emit('warning', warning)) warnProcess(warning)
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

/** For `open` only: a store that cannot be made leaves nothing open behind it. */
export async function makeStore(
  engine: Engine<AnyMap>,
  options: ResolvedOptions,
  warning?: Error,
): Promise<Store> {
  try {
    return new Store(engine, options, warning)
  } catch (error) {
    await engine.close()
    throw error
  }
}

function checkMapName(name: unknown, method: string): void {
  if (typeof name === 'string' && name !== '') return
  throw new ForkstoreError(
    'ERR_FORKSTORE_INVALID_ARGUMENT',
    `${method}: the name must be a string that is not empty`,
  )
}
