import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cross, type Benchmark, type Measure, type Metrics, type Options } from './lib/benchmark.js'
import { assertRealDisk } from './lib/disk.js'
import { open, type ForkstoreMap, type Store } from './lib/forkstore.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { probe } from './lib/probe.js'
import { consume, keyOf, RandomIndex, recordOf, type Customer } from './lib/records.js'
import { maximum, newHistogram, percentilesOf } from './lib/statistics.js'

/**
 * What the log costs the event loop. Three stores of the same records in one process take turns: without a log
 * (durability 'snapshot'), with one that is synced once a second ('everysec'), and after each turn of the
 * event loop ('commit').
 */
export const benchmark: Benchmark = {
  name: 'log',
  title: 'a set, and what else the event loop has to wait for, without the log and with it',
  cases: (options) => cross(['forkstore'], [1_000_000], options),
  rounds: () => 3,
}

/** Of a turn of the event loop: what the requests that one turn serves may write. */
const setsPerTurn = 100
const setsPerSlice = 500_000
const slices = 4

const intervalMs = 1
/** With each arrival: ten thousand a second. */
const setsPerArrival = 10
const windowMs = 3000
const windows = 4
const slowWindowMs = 3000

interface Contender {
  /** Begins the names of its metrics. */
  name: string
  store: Store
  map: ForkstoreMap<string, Customer>
  index: RandomIndex
}

export const measure: Measure = ({ entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    assertRealDisk(folder)
    const contenders = await openContenders(folder, options)
    const metrics: Metrics = {}
    await fill(contenders, entries, metrics)
    await overwrite(contenders, metrics)
    await steadyWrites(contenders, metrics)
    await slowDisk(folder, contenders, metrics)
    for (const { store } of contenders) await store.close()
    return { metrics }
  })

async function openContenders(folder: string, { engine }: Options): Promise<Contender[]> {
  const contenders: Contender[] = []
  for (const durability of ['snapshot', 'everysec', 'commit'] as const) {
    const store = await open(join(folder, durability), { engine, durability, snapshot: false })
    const map = store.map<string, Customer>('customers')
    contenders.push({
      name: durability === 'snapshot' ? 'off' : durability,
      store,
      map,
      index: new RandomIndex(1),
    })
  }
  return contenders
}

/** What was written before shall not be on the disk's mind. */
async function drain(contenders: Contender[]): Promise<void> {
  for (const { name, store } of contenders) if (name !== 'off') await store.commit()
  await settle(50)
}

/** From nothing to the full size, in tenths. */
async function fill(contenders: Contender[], entries: number, metrics: Metrics): Promise<void> {
  const part = Math.ceil(entries / 10)
  const elapsed = contenders.map(() => 0)
  for (let from = 0; from < entries; from += part) {
    for (const [at, { map }] of contenders.entries()) {
      await drain(contenders)
      elapsed[at]! += await timeOfTurns(Math.min(part, entries - from), (i) => {
        map.set(keyOf(from + i), recordOf(from + i))
      })
    }
  }
  for (const [at, one] of contenders.entries()) {
    metrics[`${one.name}InsertNs`] = (elapsed[at]! * 1e6) / entries
    one.index = new RandomIndex(entries)
  }
}

/**
 * Milliseconds of so many sets, with all turns of the event loop between them: sealing the batch is part of the
 * price. So is waiting for the disk, when it cannot keep up.
 */
async function timeOfTurns(count: number, set: (i: number) => void): Promise<number> {
  const start = performance.now()
  for (let i = 0; i < count; ) {
    for (const end = Math.min(count, i + setsPerTurn); i < end; i++) set(i)
    await turn()
  }
  return performance.now() - start
}

async function overwrite(contenders: Contender[], metrics: Metrics): Promise<void> {
  const elapsed = contenders.map(() => 0)
  for (let slice = 0; slice < slices; slice++) {
    for (const [at, { map, index }] of contenders.entries()) {
      await drain(contenders)
      elapsed[at]! += await timeOfTurns(setsPerSlice, (i) => {
        const one = index.next()
        map.set(keyOf(one), recordOf(one, i))
      })
    }
  }
  for (const [at, { name }] of contenders.entries()) {
    metrics[`${name}SetNs`] = (elapsed[at]! * 1e6) / (slices * setsPerSlice)
  }
}

/** One get and some sets arrive each millisecond. */
function requests({ map, index }: Contender): (number: number) => void {
  return (number) => {
    const found = map.get(keyOf(index.next()))
    if (found === undefined || consume(found) < 0) throw new Error('a record is wrong')
    for (let i = 0; i < setsPerArrival; i++) {
      const one = index.next()
      map.set(keyOf(one), recordOf(one, number))
    }
  }
}

async function steadyWrites(contenders: Contender[], metrics: Metrics): Promise<void> {
  const histograms = contenders.map(() => newHistogram())
  for (let window = -1; window < windows; window++) {
    for (const [at, one] of contenders.entries()) {
      await drain(contenders)
      const durationMs = window < 0 ? 500 : windowMs
      const { histogram } = await probe({ intervalMs, durationMs, request: requests(one) })
      if (window >= 0) histograms[at]!.add(histogram)
    }
  }
  for (const [at, { name }] of contenders.entries())
    Object.assign(metrics, percentilesOf(name, histograms[at]!))
}

/** Another process writes to the same disk without pause; the log's syncs take many times as long. */
async function slowDisk(folder: string, contenders: Contender[], metrics: Metrics): Promise<void> {
  mkdirSync(join(folder, 'other'))
  for (const one of contenders) {
    await drain(contenders)
    const before = one.store.stats().log
    const other = spawn('sh', ['-c', hog], { cwd: join(folder, 'other'), stdio: 'ignore', detached: true })
    try {
      await settle(200)
      const { histogram } = await probe({ intervalMs, durationMs: slowWindowMs, request: requests(one) })
      metrics[`${one.name}SlowDiskMaxMs`] = maximum(histogram)
      // The longest in the life of the store: that it was now shows where it has grown.
      const after = one.store.stats().log
      if (after !== undefined && before !== undefined) metrics[`${one.name}SlowSyncMs`] = after.longestSyncMs
    } finally {
      process.kill(-other.pid!, 'SIGKILL')
    }
  }
}

/** 256 MiB again and again, past the page cache's patience. */
const hog = 'while :; do dd if=/dev/zero of=data bs=1M count=256 conv=fsync; done'
