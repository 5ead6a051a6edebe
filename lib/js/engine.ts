import { randomBytes } from 'node:crypto'
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Engine, EngineStats } from '../engine.js'
import { ForkstoreError } from '../errors.js'
import type { ForkstoreMap } from '../map.js'
import type { Recovered, SnapshotResult } from '../types.js'
import { defineField } from './copy.js'
import { loadDirectory, makeDirectory, publish, removeOld, snapshotName, writeIdentity } from './directory.js'
import { DirectoryLock } from './lock.js'
import { JsMap, type MapOwner } from './map.js'
import { writeSnapshot } from './snapshot-file.js'
import { isSystemError } from './system.js'
import { countContainers } from './containers.js'
import { JsTree } from './tree.js'
import { Undo } from './undo.js'

/** Opens a directory, or memory only. */
export async function openJs(path: string | undefined): Promise<Engine> {
  if (path === undefined) return new JsEngine(undefined, undefined)
  let lock: DirectoryLock | undefined
  try {
    makeDirectory(path)
    lock = new DirectoryLock(path)
    const engine = new JsEngine(path, lock)
    await engine.start()
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
  readonly undo = new Undo()
  readonly tree: JsTree
  changes = 0
  readonly #lock: DirectoryLock | undefined
  readonly #maps = new Map<string, JsMap>()
  readonly #storeId: string
  readonly #damaged: ReadonlySet<number>
  #newest: number
  #writes: number
  #isSealed = false

  /** REQUIRES: the lock of the path, when there is one. */
  constructor(
    readonly path: string | undefined,
    lock: DirectoryLock | undefined,
  ) {
    this.#lock = lock
    const loaded = path === undefined ? undefined : loadDirectory(path)
    this.recovered = loaded?.recovered
    this.#storeId = loaded?.storeId ?? randomBytes(16).toString('hex')
    this.#damaged = loaded?.damaged ?? new Set()
    this.#newest = loaded?.newest ?? 0
    this.#writes = loaded?.writes ?? 0
    this.tree = new JsTree(this, loaded?.root ?? {})
    for (const read of loaded?.maps.values() ?? []) {
      this.#maps.set(read.name, new JsMap(read.name, this, read.stored, read.notJson))
    }
  }

  /** Writes generation 1 of a new store, so that from then on there always is one. */
  async start(): Promise<void> {
    if (this.path === undefined || this.#newest > 0) return
    await this.snapshot({ keep: 1 })
    writeIdentity(this.path, this.#storeId)
  }

  map(name: string): ForkstoreMap {
    this.assertOpen()
    let map = this.#maps.get(name)
    if (map === undefined) {
      map = new JsMap(name, this)
      this.#maps.set(name, map)
    }
    return map
  }

  async snapshot(options: { keep: number }): Promise<SnapshotResult> {
    const path = this.path
    if (path === undefined)
      throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'the store is memory only')
    const generation = this.#newest + 1
    const name = snapshotName(generation)
    const temporary = `${name}.tmp`
    const entries = this.#entries()
    const startMs = performance.now()
    try {
      const header = {
        storeId: this.#storeId,
        generation,
        writes: this.#writes,
        maps: this.#maps.size,
        entries,
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
      this.#newest = generation
      await removeOld(path, options.keep, this.#damaged)
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
      await unlink(join(path, temporary)).catch(() => undefined) // the first error is the one to tell
      throw error
    }
  }

  begin(): void {
    this.undo.begin()
    const writes = this.#writes
    // Taken back, they have not been.
    this.undo.record(() => (this.#writes = writes))
  }

  commit(): void {
    this.undo.commit()
  }

  rollback(): void {
    this.undo.rollback()
    this.changes++
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
      nodes: countContainers(this.tree.data),
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
    // Whoever still holds a map or an iterator of it shall not hold the data.
    for (const map of this.#maps.values()) map.forget()
    this.tree.forget()
    this.#maps.clear()
    this.#lock?.release()
  }

  assertOpen(): void {
    if (this.#isSealed) throw new ForkstoreError('ERR_FORKSTORE_CLOSED', 'the store is closed')
  }

  wrote(): void {
    this.#writes++
    this.changes++
    this.onWrite()
  }

  #entries(): number {
    let entries = 0
    for (const map of this.#maps.values()) entries += map.stored.size
    return entries
  }
}
