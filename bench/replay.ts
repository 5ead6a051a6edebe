import { join } from 'node:path'
import { cross, type Benchmark, type Measure, type Metrics } from './lib/benchmark.js'
import { assertRealDisk } from './lib/disk.js'
import { open, type Engine } from './lib/forkstore.js'
import { turn, withFolder } from './lib/machine.js'
import { runInProcess } from './lib/process.js'
import { consume, keyOf, RandomIndex, recordOf, type Customer } from './lib/records.js'

/**
 * As many inserts as there are records, then as many overwrites at random places: live, without a log and
 * with it, and from the log, by `open()` in a new process.
 */
export const benchmark: Benchmark = {
  name: 'replay',
  title:
    'opening a store all of whose operations are in the log, beside the live operations; files in the page cache',
  cases: (options) => cross(['forkstore'], [1_000_000], options),
  rounds: () => 3,
}

const setsPerTurn = 1000

export const measure: Measure = ({ entries = 0 }, { engine, directory }) =>
  withFolder(directory, async (folder) => {
    assertRealDisk(folder)
    const step = (name: string): Promise<unknown> =>
      runInProcess(import.meta.url, name, folder, entries, engine)
    const metrics = {
      ...((await step('writeWithoutLog')) as Metrics),
      ...((await step('writeWithLog')) as Metrics),
      ...((await step('replay')) as Metrics),
    }
    return { metrics }
  })

/** Calls `set` for every operation; operations per second, turns of the event loop included. */
async function write(entries: number, set: (key: string, record: Customer) => void): Promise<number> {
  const index = new RandomIndex(entries)
  const start = performance.now()
  for (let i = 0; i < 2 * entries; i++) {
    const one = i < entries ? i : index.next()
    set(keyOf(one), recordOf(one, i < entries ? 0 : i))
    if (i % setsPerTurn === 0) await turn()
  }
  return (2 * entries * 1000) / (performance.now() - start)
}

/** And without a store: the share of what makes the keys and records, which a replay has not to do. */
export async function writeWithoutLog(_folder: string, entries: number, engine: Engine): Promise<Metrics> {
  const store = await open({ engine })
  const map = store.map<string, Customer>('customers')
  await write(20_000, (key, record) => void map.set(key, record)) // compiles everything
  map.clear()
  const setPerSecond = await write(entries, (key, record) => void map.set(key, record))
  await store.close()
  let read = 0
  const makePerSecond = await write(entries, (key, record) => (read += key.charCodeAt(12) + consume(record)))
  if (read === 0) throw new Error('the records are empty')
  return { setPerSecond, makePerSecond, bareSetPerSecond: 1 / (1 / setPerSecond - 1 / makePerSecond) }
}

export async function writeWithLog(folder: string, entries: number, engine: Engine): Promise<Metrics> {
  const store = await open(join(folder, 'store'), { engine, snapshot: false, durability: 'everysec' })
  const map = store.map<string, Customer>('customers')
  await write(20_000, (key, record) => void map.set(key, record))
  map.clear()
  await store.snapshot() // the log begins anew
  const before = store.stats().log?.appendedBytes ?? 0
  const loggedSetPerSecond = await write(entries, (key, record) => void map.set(key, record))
  await store.commit()
  const logBytes = (store.stats().log?.appendedBytes ?? 0) - before
  await store.close()
  return { loggedSetPerSecond, logBytes }
}

export async function replay(folder: string, entries: number, engine: Engine): Promise<Metrics> {
  let told = 0
  const start = performance.now()
  const store = await open(join(folder, 'store'), {
    engine,
    snapshot: false,
    durability: 'everysec',
    onProgress: () => told++,
  })
  const openMs = performance.now() - start
  const map = store.map<string, Customer>('customers')
  if (map.size !== entries) throw new Error(`opened ${map.size} entries of ${entries}`)
  await store.close()
  return { openMs, replayPerSecond: (2 * entries * 1000) / openMs, toldCount: told }
}
