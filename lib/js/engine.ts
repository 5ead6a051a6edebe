import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { ALL_SCOPES, type Engine, type EngineStats } from '../engine.js'
import { closedError, ForkstoreError } from '../errors.js'
import type { ForkstoreMap } from '../map.js'
import type { DurabilityMode, Recovered, SnapshotResult } from '../types.js'
import { defineField } from './copy.js'
import {
  highestNumber,
  type Loaded,
  makeDirectory,
  publish,
  removeLogs,
  removeOld,
  snapshotName,
  writeIdentity,
} from './directory.js'
import { disk } from './disk.js'
import { DirectoryLock } from './lock.js'
import { encodeOperation, logGenerations } from './log-file.js'
import { loadWithLog, type Replayed, type ReplayOptions } from './log-replay.js'
import { JsLog } from './log.js'
import { JsMap, type MapOwner } from './map.js'
import { writeSnapshot } from './snapshot-file.js'
import { isSystemError } from './system.js'
import { JsTree } from './tree.js'
import { assertStackRoom } from './stack-room.js'
import { Undo } from './undo.js'

export interface JsOptions extends ReplayOptions {
  durability: DurabilityMode
}

/** Opens a directory, or memory only. */
export async function openJs(path: string | undefined, options: JsOptions): Promise<Engine> {
  if (path === undefined) return new JsEngine(undefined, undefined, options)
  let lock: DirectoryLock | undefined
  try {
    makeDirectory(path)
    lock = new DirectoryLock(path)
    const engine = new JsEngine(path, lock, options)
    try {
      await engine.start()
    } catch (error) {
      engine.close()
      throw error
    }
    return engine
  } catch (error) {
    lock?.release()
    if (isSystemError(error)) {
      throw new ForkstoreError('ERR_FORKSTORE_IO', `${path}: ${error.message}`, { cause: error })
    }
    throw error
  }
}

/** Maps of deep copies, written as JSON on the event loop. */
class JsEngine implements Engine, MapOwner {
  readonly name = 'js'
  readonly recovered: Recovered | undefined
  onWrite: () => void = () => undefined
  keptScopes = ALL_SCOPES
  readonly undo = new Undo()
  readonly tree: JsTree
  changes = 0
  readonly #lock: DirectoryLock | undefined
  readonly #maps = new Map<string, JsMap>()
  readonly #storeId: string
  readonly #damaged: ReadonlySet<number>
  readonly log: JsLog | undefined
  readonly replayedWrites: number
  /** What opening found; the start goes on from there. */
  readonly #replayed: Replayed | undefined
  /** The directory's snapshot says that a log follows. */
  readonly #hadLog: boolean
  #newest: number
  #writes: number
  #isSealed = false

  /** REQUIRES: the lock of the path, when there is one. */
  constructor(
    readonly path: string | undefined,
    lock: DirectoryLock | undefined,
    options: JsOptions,
  ) {
    this.#lock = lock
    const opened = path === undefined ? undefined : loadWithLog(path, options)
    const loaded = opened?.loaded
    this.#storeId = loaded?.storeId ?? randomBytes(16).toString('hex')
    this.#damaged = loaded?.damaged ?? new Set()
    this.#newest = loaded === undefined ? 0 : loaded.newest
    this.#hadLog = loaded?.hasLog ?? false
    this.#replayed = opened?.replayed
    if (path !== undefined && options.durability !== 'snapshot') {
      this.log = new JsLog(path, this.#storeId, opened!.replayed.sequence)
    }
    this.replayedWrites = this.#replayed?.writes ?? 0
    this.#writes = (loaded?.writes ?? 0) + this.replayedWrites
    this.tree = new JsTree(this, loaded?.root ?? {})
    for (const read of loaded?.maps.values() ?? []) {
      this.#maps.set(read.name, new JsMap(read.name, this, read.stored, read.notJson))
    }
    this.recovered = this.#recovered(loaded)
  }

  #recovered(loaded: Loaded | undefined): Recovered | undefined {
    const log = this.#replayed?.recovered
    if (loaded === undefined || (loaded.recovered === undefined && log === undefined)) return undefined
    const { generation, recovered } = loaded
    const rest = recovered ?? { generation, skipped: [], identityRestored: false }
    return { ...rest, entries: this.#entries(), log }
  }

  /**
   * Writes generation 1 of a new store, so that from then on there always is one; gets the log going, or, where none is
   * wanted any more, removes it once a snapshot holds what it held.
   */
  async start(): Promise<void> {
    const { path, log } = this
    if (path === undefined) return
    const { tail, voids, recovered } = this.#replayed!
    const isNew = this.#newest === 0
    const isSalvaged = recovered?.salvaged !== undefined
    this.#newest = highestNumber(path)
    if (log !== undefined && tail !== undefined && !isSalvaged) {
      removeLogs(path, voids)
      log.resume(tail.generation, tail.bytes)
    } else if (isNew || log !== undefined || this.#hadLog) {
      // The files that are there are of no use beside the snapshot, and none before it is published.
      const old = logGenerations(readdirSync(path))
      await this.snapshot({ keep: isNew ? 1 : Number.MAX_SAFE_INTEGER })
      removeLogs(path, old)
    } else {
      removeLogs(path, voids)
    }
    if (isNew) writeIdentity(path, this.#storeId)
  }

  map(name: string): ForkstoreMap {
    this.assertOpen()
    let map = this.#maps.get(name)
    if (map === undefined) {
      this.record(['map', name], true)
      map = new JsMap(name, this)
      this.#maps.set(name, map)
    }
    return map
  }

  async snapshot(options: { keep: number }): Promise<SnapshotResult> {
    const path = this.path
    if (path === undefined)
      throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'the store is memory only')
    await this.log?.awaitQuiet()
    this.settle()
    const generation = ++this.#newest // never used twice, also when this one fails
    const name = snapshotName(generation)
    const temporary = `${name}.tmp`
    const entries = this.#entries()
    const startMs = performance.now()
    const isHealing = this.log?.state === 'failed' || this.log?.state === 'read-only'
    try {
      this.log?.cut(generation)
      const header = {
        storeId: this.#storeId,
        generation,
        writes: this.#writes,
        maps: this.#maps.size,
        entries,
        log: this.log !== undefined,
      }
      const { bytes, durable } = writeSnapshot(
        join(path, temporary),
        header,
        this.#maps.values(),
        this.tree.data,
      )
      const pauseMs = performance.now() - startMs
      await durable
      await publish(path, temporary, name)
      // An older one and the log behind it do not give the state that this one has.
      const { oldest } = await removeOld(path, isHealing ? 1 : options.keep, this.#damaged)
      this.log?.published(oldest)
      const durationMs = performance.now() - startMs
      return {
        generation,
        path: join(path, name),
        bytes,
        entries,
        pauseMs,
        forkMs: 0,
        durationMs,
        copiedBytes: 0,
      }
    } catch (error) {
      this.log?.snapshotFailed()
      await disk.unlink(join(path, temporary)).catch(() => undefined) // the first error is the one to tell
      throw error
    }
  }

  /** Whether there is a log. */
  get isLogged(): boolean {
    return this.log !== undefined
  }

  get scopes(): number {
    return this.undo.depth
  }

  begin(): void {
    this.assertOpen()
    this.undo.begin({ lines: this.log?.mark() ?? 0, maps: this.#maps.size, writes: this.#writes })
  }

  commit(): void {
    this.assertOpen()
    assertStackRoom()
    this.undo.commit()
  }

  rollback(): void {
    assertStackRoom()
    this.changes++
    const { lines, maps, writes } = this.undo.rollback()
    this.#writes = writes
    // Maps stay: the log must go on to have them.
    const kept = [...this.#maps.keys()].slice(maps)
    this.log?.rollbackTo(
      lines,
      kept.map((name) => encodeOperation(['map', name], true)),
    )
  }

  settle(): void {
    while (this.keptScopes < this.scopes) this.rollback()
    this.keptScopes = ALL_SCOPES
  }

  idle(): boolean {
    return true
  }

  stats(): EngineStats {
    const collections: EngineStats['collections'] = {}
    for (const map of this.#maps.values()) {
      defineField(collections, map.name, { kind: 'map', entries: map.stored.size })
    }
    return {
      entries: this.#entries(),
      writes: this.#writes,
      nodes: this.tree.countContainers(),
      bytes: { live: 0, free: 0, mapped: 0, dirty: 0, max: 0 },
      collections,
      snapshotBytesWritten: 0,
    }
  }

  seal(): void {
    this.#isSealed = true
    this.changes++
  }

  close(): void {
    this.#isSealed = true
    this.log?.abandon()
    // Whoever still holds a map or an iterator of it shall not hold the data.
    for (const map of this.#maps.values()) map.forget()
    this.tree.forget()
    this.#maps.clear()
    this.#lock?.release()
  }

  assertOpen(): void {
    if (this.keptScopes < this.scopes) this.settle()
    if (this.#isSealed) throw closedError()
  }

  wrote(): void {
    this.#writes++
    this.changes++
    this.onWrite()
  }

  prepareChange(): void {
    if (this.undo.active) assertStackRoom()
  }

  record(operation: readonly unknown[], isJson: boolean): void {
    this.log?.record(encodeOperation(operation, isJson), this.undo.active)
  }

  #entries(): number {
    let entries = 0
    for (const map of this.#maps.values()) entries += map.stored.size
    return entries
  }
}
