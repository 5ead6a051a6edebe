import { ALL_SCOPES, type Engine, type EngineStats, type SnapshotSettings } from '../../contract/engine.js'
import { closedError, ForkstoreError } from '../../base/errors.js'
import type { AnyMap } from '../../collections/map.js'
import type { Recovered, SnapshotReason, SnapshotResult } from '../../base/types.js'
import type { NativeOpenOptions, NativeRecovery, NativeSnapshotOutcome, NativeStore } from './binding.js'
import { Decoder } from './codec/decoder.js'
import { errorFromCode, fromNative } from './errors.js'
import { loadBinding } from './load.js'
import { NativeLog } from './log.js'
import { MapState, NativeMap } from './map/map.js'
import { Operation } from './codec/operation.js'
import { PackedTree } from './tree/packed.js'
import { Shapes } from './codec/shapes.js'
import { NativeTree } from './tree/tree.js'
import { itemsBehind } from '../../views/taken-items.js'
import { viewOf } from '../../views/view.js'
import { setImmediate } from '../../base/timers.js'

/** Blocks of cleared maps that one call of `idle` frees: some 50 us. */
const IDLE_BLOCKS = 256

/** As in native/store/snapshot_strategy.h, AskedStrategy and StrategyReason. */
const STRATEGIES: readonly SnapshotSettings['strategy'][] = ['auto', 'fork', 'copy']
const REASONS: readonly SnapshotReason[] = [
  'asked',
  'fork-is-quick',
  'fork-is-slow',
  'pages-are-split',
  'fork-refused',
  'memory-limit',
  'copies-exceeded',
  'no-addresses',
  'thread-waits',
]

/**
 * Opens a store in the C++ core. `path` undefined: memory only. Errors: `ERR_FORKSTORE_UNAVAILABLE` where
 * the addon does not run, and those that opening the directory can have.
 */
export async function openNative(
  path: string | undefined,
  options: NativeEngineOptions,
): Promise<NativeEngine> {
  const binding = loadBinding()
  let store: NativeStore
  try {
    store = await binding.open(path, { ...options, hugePages: true })
  } catch (error) {
    throw fromNative(error)
  }
  try {
    return new NativeEngine(path, store)
  } catch (error) {
    await store.close()
    throw fromNative(error)
  }
}

type NativeEngineOptions = Omit<NativeOpenOptions, 'hugePages'>

/** A map that was asked for, and what only the engine may do with it. */
interface OpenedMap {
  readonly map: NativeMap
  readonly state: MapState
}

/** The engine over the C++ core. */
export class NativeEngine implements Engine<AnyMap> {
  readonly name = 'native'
  readonly path: string | undefined
  readonly recovered: Recovered | undefined
  readonly log: NativeLog | undefined
  readonly replayedWrites: number
  readonly replayedLogBytes: number
  onWrite: () => void = () => {}
  onAdopt: () => void = () => {}
  /** Maps refuse everything; a last snapshot can still be taken. */
  sealed = false
  readonly operation: Operation
  readonly decoder: Decoder
  readonly tree: NativeTree
  readonly packed: PackedTree
  /** Another number after every change, of whatever it may be. */
  changes = 0
  /** As `result[4]` was last: another number when records may have moved although no map has changed. */
  moved = 0
  scopes = 0
  keptScopes = ALL_SCOPES
  readonly #store: NativeStore
  #closed: Promise<void> | undefined
  /** The maps that were asked for, by name. */
  readonly #maps = new Map<string, OpenedMap>()
  /** Of each open scope: the end of the tree's log when it began. */
  readonly #marks: (NativeTree['log']['end'] | undefined)[] = []
  /**
   * Those that were dropped in the open scopes, oldest first. `opened`: undefined when it had not been asked for.
   */
  readonly #dropped: { name: string; opened: OpenedMap | undefined }[] = []
  /** How many of these there were when each scope began. */
  readonly #droppedBefore: number[] = []
  /** How often a scope was taken back. */
  rollbacks = 0

  constructor(path: string | undefined, store: NativeStore) {
    this.path = path
    this.#store = store
    this.operation = new Operation(store)
    this.decoder = new Decoder(store)
    const shapes = new Shapes(store)
    this.tree = new NativeTree(this, store, shapes)
    this.packed = new PackedTree(this, shapes, this.tree.root)
    this.operation.copyView = (proxy) => {
      const node = viewOf(proxy)
      return node === undefined ? itemsBehind(proxy) : (node.tree.copy(node) as object)
    }
    this.recovered = describeRecovery(store.recovery)
    this.replayedWrites = store.recovery.log.writes
    this.replayedLogBytes = store.recovery.log.bytes
    const log = store.log()
    if (log !== undefined) this.log = new NativeLog(log)
  }

  map(name: string): AnyMap {
    const there = this.#opened(name)
    if (there !== undefined) return there
    this.check()
    const id = this.#store.openMap(name)
    if (id < 0) throw this.#error(id)
    return this.#open(name, id)
  }

  #opened(name: string): AnyMap | undefined {
    const opened = this.#maps.get(name)
    return opened === undefined || opened.state.isDropped ? undefined : opened.map
  }

  #open(name: string, id: number): AnyMap {
    const state = new MapState(name, id, this, this.#store.map(id), this.decoder)
    const map = new NativeMap(state)
    this.#maps.set(name, { map, state })
    return map
  }

  dropMap(name: string): boolean {
    this.check()
    const opened = this.#maps.get(name)
    const { length } = this.#dropped
    if (this.scopes > 0) this.#dropped.push({ name, opened })
    this.changes++
    this.tree.foreign++
    const result = this.#store.dropMap(name)
    if (result <= 0) {
      this.changes--
      this.tree.foreign--
      this.#dropped.length = length
      if (result < 0) throw this.#error(result)
      return false
    }
    if (opened !== undefined) opened.state.isDropped = true
    this.#maps.delete(name)
    this.onWrite()
    return true
  }

  *maps(): Generator<AnyMap, undefined> {
    for (let from = 1; ; ) {
      this.check()
      const { changes } = this
      const some = this.#store.maps(from)
      if (some.length === 0) return undefined
      for (const { id, name } of some) {
        from = id + 1
        yield this.#opened(name) ?? this.#open(name, id)
        this.check()
        if (this.changes !== changes) break // some of these may have been dropped
      }
    }
  }

  // Where a call can fail for want of stack, what it was to be followed by does not happen. So nothing but
  // assignments follows on a change of the store: here, and wherever an operation is applied.

  begin(): void {
    this.check()
    this.#marks[this.scopes] = this.tree.log.end
    this.#droppedBefore[this.scopes] = this.#dropped.length
    const result = this.#store.begin()
    if (result < 0) throw this.#error(result)
    this.scopes++
  }

  commit(): void {
    this.check()
    const result = this.#store.commit()
    if (result < 0) throw this.#error(result)
    this.scopes--
    this.#marks[this.scopes] = undefined
    if (this.scopes === 0) this.#dropped.length = 0
  }

  rollback(): void {
    this.changes++
    this.tree.foreign++
    this.rollbacks++
    const { log } = this.tree
    const scope = this.scopes - 1
    this.#bringBack(this.#droppedBefore[scope] as number)
    const mark = this.#marks[scope]
    if (mark !== undefined) log.takeBack(mark)
    this.#marks[scope] = log.end // should the rest fail and be tried again
    const result = this.#store.rollback()
    if (result < 0) throw this.#error(result)
    this.scopes--
    this.#marks[this.scopes] = undefined
  }

  /** Those dropped since; once more does no harm, where the stack has ended in the middle. */
  #bringBack(since: number): void {
    for (let at = this.#dropped.length - 1; at >= since; at--) {
      const { name, opened } = this.#dropped[at]!
      const other = this.#maps.get(name)
      if (opened === undefined) this.#maps.delete(name)
      else this.#maps.set(name, opened)
      if (other !== undefined) other.state.isDropped = true
      if (opened !== undefined) opened.state.isDropped = false
      this.#dropped.length = at
    }
  }

  settle(): void {
    while (this.keptScopes < this.scopes) this.rollback()
    this.keptScopes = ALL_SCOPES
  }

  snapshot(options: SnapshotSettings): Promise<SnapshotResult> {
    const { keep, watchdogMs, strategy, maxCopiedBytes, maxBytesPerSecond } = options
    return new Promise((resolve, reject) => {
      let isRetried = false
      const done = (outcome: NativeSnapshotOutcome): void => {
        if (outcome.code === 0) resolve(snapshotResult(outcome))
        else if (outcome.copiesExceeded && strategy === 'auto' && !isRetried) {
          isRetried = true // by a fork, where one can be had
          attempt()
        } else reject(snapshotError(outcome))
      }
      const attempt = (): void => {
        try {
          this.#assertMapped()
          this.settle()
          const begun = this.#store.snapshot(
            keep,
            watchdogMs,
            STRATEGIES.indexOf(strategy),
            maxCopiedBytes ?? 0,
            maxBytesPerSecond ?? 0,
            done,
          )
          if (!begun) setImmediate(attempt)
        } catch (error) {
          reject(fromNative(error) as Error)
        }
      }
      attempt()
    })
  }

  idle(): boolean {
    if (this.#closed !== undefined) return true
    const isRead = this.tree.held.step()
    const isDone = this.#store.reclaim(IDLE_BLOCKS)
    const moved = this.#store.result[4] as number
    if (moved !== this.moved) {
      this.moved = moved
      this.changes++ // what was read before is not where it was
    }
    return isRead && isDone
  }

  weight(): { items: number; bytes: number } {
    const { entries, nodes, bytes } = this.stats()
    return { items: entries + nodes, bytes: bytes.live }
  }

  stats(): EngineStats {
    this.#assertMapped()
    this.settle()
    const stats = this.#store.stats()
    return {
      entries: stats.entries,
      maps: stats.maps,
      writes: stats.writes,
      nodes: stats.nodes,
      bytes: {
        live: stats.liveBytes,
        free: stats.freeBytes,
        mapped: stats.mappedBytes,
        huge: stats.hugeBytes,
        dirty: stats.dirtyBytes,
        max: stats.maxBytes,
      },
      snapshotBytesWritten: stats.snapshotBytesWritten,
    }
  }

  seal(): void {
    this.sealed = true
    this.changes++ // what was read before must not be shown any more
    this.tree.places.seal()
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.seal()
      this.#closed = this.tree.held.isEmpty ? this.#store.close() : this.#closeWhenRead()
    }
    return this.#closed
  }

  /** What was removed stays with whoever has it. */
  async #closeWhenRead(): Promise<void> {
    try {
      await this.tree.held.drain()
    } finally {
      await this.#store.close()
    }
  }

  /** Throws when the store is closed to its users. */
  check(): void {
    if (this.keptScopes < this.scopes) this.settle()
    if (this.sealed) throw closedError()
  }

  #assertMapped(): void {
    if (this.#closed !== undefined) throw closedError()
  }

  #error(result: number): ForkstoreError {
    return errorFromCode(-result, this.#store.lastMessage())
  }
}

function describeRecovery(recovery: NativeRecovery): Recovered | undefined {
  const { generation, entries, skipped, identityRestored } = recovery
  const { tails, salvaged, copies } = recovery.log
  const isLogWhole = tails.length === 0 && salvaged === ''
  if (skipped.length === 0 && !identityRestored && isLogWhole) return undefined
  const log = isLogWhole
    ? undefined
    : { cut: tails, salvaged: salvaged === '' ? undefined : { reason: salvaged, copies } }
  return { generation, entries, skipped, identityRestored, log }
}

function snapshotResult(outcome: NativeSnapshotOutcome): SnapshotResult {
  const { generation, path, bytes, entries, pauseMs, forkMs, durationMs, copiedBytes } = outcome
  return {
    generation,
    path,
    bytes,
    entries,
    pauseMs,
    forkMs,
    durationMs,
    copiedBytes,
    strategy: outcome.isCopy ? 'copy' : 'fork',
    reason: REASONS[outcome.reason]!,
  }
}

function snapshotError(outcome: NativeSnapshotOutcome): ForkstoreError {
  const cause = errorFromCode(outcome.code, outcome.message, outcome.systemErrno)
  return new ForkstoreError('ERR_FORKSTORE_SNAPSHOT_FAILED', outcome.message, { cause: cause.cause ?? cause })
}
