import { ALL_SCOPES, type Engine, type EngineStats } from '../engine.js'
import { closedError, ForkstoreError } from '../errors.js'
import type { ForkstoreMap } from '../map.js'
import type { Recovered, SnapshotResult } from '../types.js'
import type { NativeOpenOptions, NativeRecovery, NativeSnapshotOutcome, NativeStore } from './binding.js'
import { Decoder } from './decoder.js'
import { errorFromCode, fromNative } from './errors.js'
import { loadBinding } from './load.js'
import { NativeLog } from './log.js'
import { NativeMap } from './map.js'
import { Operation } from './operation.js'
import { PackedTree } from './packed.js'
import { Shapes } from './shapes.js'
import { NativeTree } from './tree.js'
import { viewOf } from '../tree/view.js'

/** Blocks of cleared maps that one call of `idle` frees: some 50 us. */
const IDLE_BLOCKS = 256

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
    store.close()
    throw fromNative(error)
  }
}

export type NativeEngineOptions = Omit<NativeOpenOptions, 'hugePages'>

/** The engine over the C++ core. */
export class NativeEngine implements Engine {
  readonly name = 'native'
  readonly path: string | undefined
  readonly recovered: Recovered | undefined
  readonly log: NativeLog | undefined
  readonly replayedWrites: number
  onWrite: () => void = () => {}
  /** Maps refuse everything; a last snapshot can still be taken. */
  sealed = false
  readonly operation: Operation
  readonly decoder: Decoder
  readonly tree: NativeTree
  readonly packed: PackedTree
  /** Another number after every change, of whatever it may be. */
  changes = 0
  scopes = 0
  keptScopes = ALL_SCOPES
  readonly #store: NativeStore
  #closed = false
  readonly #maps = new Map<string, NativeMap>()

  constructor(path: string | undefined, store: NativeStore) {
    this.path = path
    this.#store = store
    this.operation = new Operation(store)
    this.decoder = new Decoder(store)
    const shapes = new Shapes(store)
    this.tree = new NativeTree(this, store, shapes)
    this.packed = new PackedTree(this, shapes)
    this.operation.copyView = (proxy) => {
      const node = viewOf(proxy)
      return node === undefined ? undefined : (node.tree.copy(node) as object)
    }
    this.recovered = describeRecovery(store.recovery)
    this.replayedWrites = store.recovery.log.operations
    const log = store.log()
    if (log !== undefined) this.log = new NativeLog(log)
  }

  map(name: string): ForkstoreMap {
    let map = this.#maps.get(name)
    if (map === undefined) {
      this.check()
      const id = this.#store.openMap(name)
      if (id < 0) throw this.#error(id)
      map = new NativeMap(name, id, this.#store.map(id), this)
      this.#maps.set(name, map)
    }
    return map
  }

  // Where a call can fail for want of stack, what it was to be followed by does not happen. So nothing but assignments
  // follows on a change of the store: here, and wherever an operation is applied.

  begin(): void {
    this.check()
    const result = this.#store.begin()
    if (result < 0) throw this.#error(result)
    this.scopes++
  }

  commit(): void {
    this.check()
    const result = this.#store.commit()
    if (result < 0) throw this.#error(result)
    this.scopes--
  }

  rollback(): void {
    this.changes++
    this.tree.foreign++
    for (const map of this.#maps.values()) map.rolledBack()
    const result = this.#store.rollback()
    if (result < 0) throw this.#error(result)
    this.scopes--
  }

  settle(): void {
    while (this.keptScopes < this.scopes) this.rollback()
    this.keptScopes = ALL_SCOPES
  }

  snapshot(options: { keep: number; watchdogMs: number }): Promise<SnapshotResult> {
    return new Promise((resolve, reject) => {
      const done = (outcome: NativeSnapshotOutcome): void => {
        if (outcome.code === 0) resolve(snapshotResult(outcome))
        else reject(snapshotError(outcome))
      }
      const attempt = (): void => {
        try {
          this.#assertMapped()
          this.settle()
          if (!this.#store.snapshot(options.keep, options.watchdogMs, done)) setImmediate(attempt)
        } catch (error) {
          reject(fromNative(error) as Error)
        }
      }
      attempt()
    })
  }

  idle(): boolean {
    return this.#closed || this.#store.reclaim(IDLE_BLOCKS)
  }

  stats(): EngineStats {
    this.#assertMapped()
    this.settle()
    const stats = this.#store.stats()
    const collections: EngineStats['collections'] = Object.create(null)
    for (const { name, entries } of this.#store.maps()) {
      collections[name] = { kind: 'map', entries }
    }
    return {
      entries: stats.entries,
      writes: stats.writes,
      nodes: stats.nodes,
      bytes: {
        live: stats.liveBytes,
        free: stats.freeBytes,
        mapped: stats.mappedBytes,
        dirty: stats.dirtyBytes,
        max: stats.maxBytes,
      },
      collections,
      snapshotBytesWritten: stats.snapshotBytesWritten,
    }
  }

  seal(): void {
    this.sealed = true
    this.changes++ // what was read before must not be shown any more
    this.tree.places.seal()
  }

  close(): void {
    if (this.#closed) return
    this.seal()
    this.#closed = true
    this.#store.close()
  }

  /** Throws when the store is closed to its users. */
  check(): void {
    if (this.keptScopes < this.scopes) this.settle()
    if (this.sealed) throw closedError()
  }

  #assertMapped(): void {
    if (this.#closed) throw closedError()
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
  return { generation, path, bytes, entries, pauseMs, forkMs, durationMs, copiedBytes }
}

function snapshotError(outcome: NativeSnapshotOutcome): ForkstoreError {
  const cause = errorFromCode(outcome.code, outcome.message, outcome.systemErrno)
  return new ForkstoreError('ERR_FORKSTORE_SNAPSHOT_FAILED', outcome.message, { cause: cause.cause ?? cause })
}
