import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { ALL_SCOPES, type Engine, type EngineStats } from '../../contract/engine.js'
import { closedError, ForkstoreError } from '../../base/errors.js'
import type { AnyMap } from '../../collections/map.js'
import type { DurabilityMode, Recovered, SnapshotResult } from '../../base/types.js'
import {
  highestNumber,
  type Loaded,
  makeDirectory,
  publish,
  removeLogs,
  removeOld,
  snapshotName,
  writeIdentity,
} from './disk/directory.js'
import { disk } from './disk/disk.js'
import { DirectoryLock } from './disk/lock.js'
import { encodeOperation, logGenerations } from './disk/log-file.js'
import { loadWithLog, type Replayed, type ReplayOptions } from './disk/log-replay.js'
import { JsLog } from './disk/log.js'
import { JsMap } from './data/map.js'
import { MapContents, type MapOwner } from './data/map-contents.js'
import { writeSnapshot } from './disk/snapshot-file.js'
import { isSystemError } from '../../base/system.js'
import { otherOwner } from './disk/ownership.js'
import { OrderedMap, type Entry, type Tally } from './data/ordered-map.js'
import { JsTree } from './data/tree.js'
import { assertStackRoom } from './data/stack-room.js'
import { Undo } from './data/undo.js'

interface JsOptions extends ReplayOptions {
  durability: DurabilityMode
}

/** Opens a directory, or memory only. */
export async function openJs(path: string | undefined, options: JsOptions): Promise<Engine<AnyMap>> {
  if (path === undefined) return new JsEngine(undefined, undefined, options)
  let lock: DirectoryLock | undefined
  try {
    makeDirectory(path)
    lock = new DirectoryLock(path)
    const engine = new JsEngine(path, lock, options)
    try {
      await engine.start()
    } catch (error) {
      await engine.close()
      throw error
    }
    return engine
  } catch (error) {
    lock?.release()
    if (isSystemError(error)) {
      const message = `${path}: ${error.message}${otherOwner(path, error)}`
      throw new ForkstoreError('ERR_FORKSTORE_IO', message, { cause: error })
    }
    throw error
  }
}

/** What a snapshot has of an entry or a node, at least. */
const BYTES_PER_ITEM = 50

/** A map, and what only the engine may do with it. */
interface OpenedMap {
  readonly map: JsMap
  readonly contents: MapContents
}

/** Maps of deep copies, written as JSON on the event loop. */
class JsEngine implements Engine<AnyMap>, MapOwner {
  readonly name = 'js'
  readonly recovered: Recovered | undefined
  onWrite: () => void = () => undefined
  onAdopt: () => void = () => undefined
  keptScopes = ALL_SCOPES
  readonly undo = new Undo()
  readonly tree: JsTree
  changes = 0
  readonly #lock: DirectoryLock | undefined
  /** In the order in which they were made. */
  readonly #maps = new OrderedMap<string, OpenedMap>()
  readonly tally: Tally = { entries: 0 }
  /** Made in the scopes that are open. */
  readonly #made: MapContents[] = []
  readonly #storeId: string
  /** Generations that must not be relied on. */
  readonly #damaged: Set<number>
  readonly log: JsLog | undefined
  readonly replayedWrites: number
  readonly replayedLogBytes: number
  /** What opening found; the start goes on from there. */
  readonly #replayed: Replayed | undefined
  /** The directory's snapshot says that a log follows. */
  readonly #hadLog: boolean
  #newest: number
  /** Of the newest snapshot: nothing else tells how much there is. */
  #savedBytes = 0
  #writes: number
  #isSealed = false

  /** REQUIRES: the lock of the path, when there is one. */
  constructor(
    readonly path: string | undefined,
    lock: DirectoryLock | undefined,
    options: JsOptions,
  ) {
    this.#lock = lock
    const opened = lock === undefined ? undefined : loadWithLog(lock.directory, options)
    const loaded = opened?.loaded
    this.#storeId = loaded?.storeId ?? randomBytes(16).toString('hex')
    this.#damaged = new Set(loaded?.damaged)
    this.#newest = loaded === undefined ? 0 : loaded.newest
    this.#hadLog = loaded?.hasLog ?? false
    if (lock !== undefined && loaded !== undefined && loaded.generation > 0) {
      this.#savedBytes = statSync(join(lock.directory, snapshotName(loaded.generation))).size
    }
    this.#replayed = opened?.replayed
    if (lock !== undefined && options.durability !== 'snapshot') {
      const { sequence } = opened!.replayed
      this.log = new JsLog(lock.directory, this.#storeId, sequence, () => lock.assertOurs())
    }
    this.replayedWrites = this.#replayed?.writes ?? 0
    this.replayedLogBytes = this.#replayed?.bytes ?? 0
    this.#writes = (loaded?.writes ?? 0) + this.replayedWrites
    this.tree = new JsTree(this, loaded?.root ?? {})
    for (const read of loaded?.maps.values() ?? []) {
      this.#add(new MapContents(read.name, this, read.stored, read.notJson))
    }
    this.recovered = this.#recovered(loaded)
  }

  #recovered(loaded: Loaded | undefined): Recovered | undefined {
    const log = this.#replayed?.recovered
    if (loaded === undefined || (loaded.recovered === undefined && log === undefined)) return undefined
    const { generation, recovered } = loaded
    const rest = recovered ?? { generation, skipped: [], identityRestored: false }
    return { ...rest, entries: this.tally.entries, log }
  }

  /**
   * Writes generation 1 of a new store, so that from then on there always is one; gets the log going, or,
   * where none is wanted any more, removes it once a snapshot holds what it held.
   */
  async start(): Promise<void> {
    const { log } = this
    if (this.#lock === undefined) return
    this.#lock.assertOurs() // reading has held the event loop, maybe for long
    const path = this.#lock.directory
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

  map(name: string): AnyMap {
    this.assertOpen()
    const opened = this.#maps.get(name)
    if (opened !== undefined) return opened.map
    this.record(['map', name], true)
    const contents = new MapContents(name, this)
    const map = this.#add(contents)
    if (this.undo.active) this.#made.push(contents)
    return map
  }

  #add(contents: MapContents): AnyMap {
    const map = new JsMap(contents, this)
    this.#maps.set(contents.name, { map, contents })
    return map
  }

  dropMap(name: string): boolean {
    this.assertOpen()
    const opened = this.#maps.get(name)
    if (opened === undefined) return false
    const { contents } = opened
    this.prepareChange()
    this.record(['drop', name], true)
    const entry = this.#maps.delete(name)!
    contents.setDropped(true)
    if (this.undo.active) {
      this.undo.record(() => this.#bringBack(entry, opened))
      this.undo.atEnd(() => contents.release())
    } else {
      contents.release()
    }
    this.wrote()
    return true
  }

  *maps(): Generator<AnyMap, undefined> {
    this.assertOpen()
    const walk = this.#maps.walk()
    while (walk.step()) {
      yield walk.entry.value.map
      this.assertOpen()
    }
    return undefined
  }

  async snapshot(options: { keep: number }): Promise<SnapshotResult> {
    const lock = this.#lock
    if (lock === undefined)
      throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'the store is memory only')
    const path = lock.directory
    await this.log?.awaitQuiet()
    this.settle()
    const generation = ++this.#newest // never used twice, also when this one fails
    const name = snapshotName(generation)
    const temporary = `${name}.tmp`
    const { entries } = this.tally
    const startMs = performance.now()
    const isHealing = this.log?.state === 'failed' || this.log?.state === 'read-only'
    try {
      lock.assertOurs()
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
        this.#contents(),
        this.tree.data,
      )
      const pauseMs = performance.now() - startMs
      await durable
      await publish(path, temporary, name, () => lock.assertOurs())
      this.#savedBytes = bytes
      // An older one and the log behind it do not give the state that this one has.
      const { oldest } = await removeOld(path, isHealing ? 1 : options.keep, this.#damaged)
      this.log?.published(oldest)
      const durationMs = performance.now() - startMs
      return {
        generation,
        path: join(this.path!, name),
        bytes,
        entries,
        pauseMs,
        forkMs: 0,
        durationMs,
        copiedBytes: 0,
        strategy: 'inline',
        reason: 'only-way',
      }
    } catch (error) {
      this.log?.snapshotFailed()
      // It need not be on disk: where it cannot be removed it does not count among those that are kept.
      this.#damaged.add(generation)
      for (const each of lock.isOurs ? [temporary, name] : []) {
        await disk.unlink(join(path, each)).catch(() => undefined) // the first error is the one to tell
      }
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
    this.undo.begin({ lines: this.log?.mark() ?? 0, maps: this.#made.length, writes: this.#writes })
  }

  commit(): void {
    this.assertOpen()
    assertStackRoom()
    this.undo.commit()
    if (!this.undo.active) this.#made.length = 0
  }

  rollback(): void {
    assertStackRoom()
    this.changes++
    const { lines, maps, writes } = this.undo.rollback()
    this.#writes = writes
    // Maps stay, but for those in whose place another one has come back: the log must go on to have them.
    const kept = this.#made.slice(maps).filter((made) => this.#maps.get(made.name)?.contents === made)
    this.#made.length = maps
    if (this.undo.active) this.#made.push(...kept)
    this.log?.rollbackTo(
      lines,
      kept.map(({ name }) => encodeOperation(['map', name], true)),
    )
  }

  settle(): void {
    while (this.keptScopes < this.scopes) this.rollback()
    this.keptScopes = ALL_SCOPES
  }

  idle(): boolean {
    return true
  }

  weight(): { items: number; bytes: number } {
    const { entries } = this.tally
    return {
      items: Math.max(entries, Math.floor(this.#savedBytes / BYTES_PER_ITEM)),
      bytes: this.#savedBytes,
    }
  }

  stats(): EngineStats {
    return {
      entries: this.tally.entries,
      maps: this.#maps.size,
      writes: this.#writes,
      nodes: 0,
      bytes: { live: 0, free: 0, mapped: 0, huge: 0, dirty: 0, max: 0 },
      snapshotBytesWritten: 0,
    }
  }

  seal(): void {
    this.#isSealed = true
    this.changes++
  }

  close(): Promise<void> {
    this.#isSealed = true
    this.log?.abandon()
    // Whoever still holds a map or an iterator of it shall not hold the data.
    for (const contents of this.#contents()) contents.forget()
    this.tree.forget()
    this.#maps.clear()
    this.#lock?.release()
    return Promise.resolve()
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

  *#contents(): Generator<MapContents, undefined> {
    for (const [, { contents }] of this.#maps) yield contents
    return undefined
  }

  /** Takes back that a map was dropped. One that was made under its name meanwhile goes. */
  #bringBack(entry: Entry<string, OpenedMap>, opened: OpenedMap): void {
    const { contents } = opened
    this.#maps.get(contents.name)?.contents.setDropped(true)
    this.#maps.delete(contents.name)
    this.#maps.restore(entry, opened)
    contents.setDropped(false)
  }
}
