import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { open, type Engine } from './lib/forkstore.js'
import { turn, withFolder } from './lib/machine.js'
import { runInProcess } from './lib/process.js'
import { consume, keyOf, RandomIndex, recordOf, type Customer } from './lib/records.js'

export const benchmark: Benchmark = {
  name: 'open',
  title: 'from a file to the first records, in a new process; all files in the page cache',
  cases: (options) => cross(['forkstore', 'json-parse', 'twin'], [1_000_000], options),
  rounds: () => 3,
}

/** Each step in a process of its own: a heap that has just made a million records is no fresh one. */
export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    const step = (name: string, ...args: unknown[]): Promise<unknown> =>
      runInProcess(import.meta.url, name, ...args)
    if (contender === 'json-parse') {
      await step('writeText', folder, entries)
      return { metrics: (await step('parseText', folder, entries)) as Opened }
    }
    const engine: Engine = contender === 'twin' ? 'js' : options.engine
    await step('writeStore', folder, entries, engine)
    return { metrics: (await step('openStore', folder, entries, engine)) as Opened }
  })

type Opened = Record<'openMs' | 'firstGetsMs', number>

/** After opening, this many records at random: what an open that reads lazily still owes. */
const firstGets = 1000

function timeOfFirstGets(get: (key: string) => Customer | undefined, entries: number): number {
  const index = new RandomIndex(entries)
  const start = performance.now()
  let read = 0
  for (let i = 0; i < firstGets; i++) read += consume(get(keyOf(index.next()))!)
  if (read === 0) throw new Error('the records are empty')
  return performance.now() - start
}

export async function writeStore(folder: string, entries: number, engine: Engine): Promise<void> {
  const store = await open(join(folder, 'store'), { engine, snapshot: false, durability: 'snapshot' })
  const map = store.map<string, Customer>('customers')
  for (let i = 0; i < entries; i++) {
    map.set(keyOf(i), recordOf(i))
    if (i % 10_000 === 0) await turn()
  }
  await store.snapshot()
  await store.close()
}

export async function openStore(folder: string, entries: number, engine: Engine): Promise<Opened> {
  const start = performance.now()
  const store = await open(join(folder, 'store'), { engine, snapshot: false, durability: 'snapshot' })
  const map = store.map<string, Customer>('customers')
  if (map.size !== entries) throw new Error(`opened ${map.size} entries of ${entries}`)
  const openMs = performance.now() - start
  const firstGetsMs = timeOfFirstGets((key) => map.get(key), entries)
  await store.close()
  return { openMs, firstGetsMs }
}

/** One JSON text of [key, record] pairs, as `JSON.stringify([...map])` gives it. */
export function writeText(folder: string, entries: number): void {
  const file = openSync(join(folder, 'text.json'), 'w')
  for (let i = 0; i < entries; i++) {
    writeSync(file, `${i === 0 ? '[' : ','}${JSON.stringify([keyOf(i), recordOf(i)])}`)
  }
  writeSync(file, ']')
  closeSync(file)
}

/** `openMs` is JSON.parse and nothing else: not the reading, not the Map. */
export function parseText(folder: string, entries: number): Opened {
  const text = readFileSync(join(folder, 'text.json'), 'latin1')
  const start = performance.now()
  const pairs = JSON.parse(text) as [string, Customer][]
  const openMs = performance.now() - start
  const map = new Map(pairs)
  return { openMs, firstGetsMs: timeOfFirstGets((key) => map.get(key), entries) }
}
