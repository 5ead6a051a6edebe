import { closeSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { serialize } from 'node:v8'
import type { Options } from './benchmark.js'
import { open } from './forkstore.js'
import type { Customer } from './records.js'

/** State in the process, and a way to save it whole. */
export interface Saver {
  get(key: string): Customer | undefined
  set(key: string, record: Customer): void
  /** Resolves to how long the event loop was held, in milliseconds. */
  snapshot(): Promise<number>
  close(): Promise<void>
}

/** A Map and a file: what most programs do. Temp file and rename, but no fsync, which would add to the stall. */
class MapSaver implements Saver {
  readonly #map = new Map<string, Customer>()
  readonly #file: string
  readonly #write: (map: Map<string, Customer>, file: string) => void

  constructor(folder: string, write: (map: Map<string, Customer>, file: string) => void) {
    this.#file = join(folder, 'state')
    this.#write = write
  }

  get(key: string): Customer | undefined {
    return this.#map.get(key)
  }

  set(key: string, record: Customer): void {
    this.#map.set(key, record)
  }

  snapshot(): Promise<number> {
    const start = performance.now()
    this.#write(this.#map, `${this.#file}.tmp`)
    renameSync(`${this.#file}.tmp`, this.#file)
    return Promise.resolve(performance.now() - start)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

const entriesPerText = 10_000

/** One text a line, of some entries each: 5 million records in one are more than V8's longest string. */
export function writeJson(map: Map<string, Customer>, file: string): void {
  const descriptor = openSync(file, 'w')
  let entries: [string, Customer][] = []
  for (const entry of map) {
    if (entries.push(entry) < entriesPerText) continue
    writeSync(descriptor, `${JSON.stringify(entries)}\n`)
    entries = []
  }
  if (entries.length > 0) writeSync(descriptor, `${JSON.stringify(entries)}\n`)
  closeSync(descriptor)
}

export async function openSaver(contender: string, folder: string, { engine }: Options): Promise<Saver> {
  if (contender === 'map-json') return new MapSaver(folder, writeJson)
  if (contender === 'map-v8') return new MapSaver(folder, (map, file) => writeFileSync(file, serialize(map)))
  const store = await open(join(folder, 'store'), { engine, snapshot: false, durability: 'snapshot' })
  const map = store.map<string, Customer>('customers')
  return {
    get: (key) => map.get(key),
    set: (key, record) => void map.set(key, record),
    snapshot: async () => (await store.snapshot()).pauseMs,
    close: () => store.close(),
  }
}
