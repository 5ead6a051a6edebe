import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import type { OpenOptions, Store } from '../../lib/index.js'
import { openEngine, type EngineName } from './engines.js'

/** Stores and directories of one suite; closed and removed after each test. */
export class Stores {
  readonly #engine: EngineName
  readonly #defaults: OpenOptions
  #stores: Store[] = []
  #directories: string[] = []

  /** `defaults`: of stores with a path. */
  constructor(engine: EngineName, defaults: OpenOptions = {}) {
    this.#engine = engine
    this.#defaults = defaults
    afterEach(() => this.cleanUp())
  }

  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'forkstore-test-'))
    this.#directories.push(directory)
    return join(directory, 'data')
  }

  async open(path?: string, options?: OpenOptions): Promise<Store> {
    const all = path === undefined ? options : { ...this.#defaults, ...options }
    const store = await openEngine(this.#engine, path, all)
    this.#stores.push(store)
    return store
  }

  async cleanUp(): Promise<void> {
    // Tests of failing snapshots leave stores whose close() rejects; the tests themselves look at that.
    await Promise.all(this.#stores.splice(0).map((store) => store.close().catch(() => undefined)))
    for (const directory of this.#directories.splice(0)) rmSync(directory, { recursive: true, force: true })
  }
}
