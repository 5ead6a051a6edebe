import { cross, type Benchmark, type Measure, type Metrics } from './lib/benchmark.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { consume, keyOf, RandomIndex, recordOf, type Customer } from './lib/records.js'
import { openPeer, type Peer } from './peers/peer.js'

/**
 * Nanoseconds of an operation, under each condition that changes which of the two is faster: a `Map` or the store.
 *
 * - The key: _fresh_ (a new string each time, as one that comes with a request), or _known_ (the very string
 *   that the entry was set with, whose hash V8 has computed).
 * - The entries: _all_, at random places, or _hot_: the same thousand, which lie in the processor's caches.
 * - What is read of the value: _one field_ or _all fields_.
 *
 * Where a key is fresh, the time to make it is included; where something is written, the time to make the record.
 * `nothing` is the time of these parts alone.
 */
export const benchmark: Benchmark = {
  name: 'operations-regimes',
  title: 'time of an operation under each condition, and its ratio to that of a Map in the same run',
  cases: (options) => cross(['nothing', 'map', 'forkstore'], [10_000, 1_000_000], options),
  rounds: () => 5,
  against: 'map',
}

/** Enough for a stable mean. */
const repetitions = 300_000
const hotEntries = 1000

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    const peer = await openPeer(contender, folder, options)
    const keys = Array.from({ length: entries }, (_, i) => keyOf(i))
    const regimes = regimesOf(peer, keys)
    for (let round = 0; round < 3; round++) {
      for (const use of Object.values(keysOf(keys))) insert(peer, use, 0, Math.min(entries, 20_000))
      for (const run of Object.values(regimes)) run(Math.min(entries, 20_000), 20_000)
      peer.clear()
      await settle(20)
    }
    const metrics: Metrics = {}
    for (const [name, use] of Object.entries(keysOf(keys))) {
      metrics[`insert${name}Ns`] = await timeOfInserts(peer, use, entries)
    }
    if (contender !== 'nothing') {
      for (const key of [keyOf(0), keyOf(entries - 1)]) {
        if (peer.get(key) === undefined) throw new Error('a record is missing')
      }
    }
    for (const [name, run] of Object.entries(regimes)) {
      await settle()
      const start = performance.now()
      run(entries, repetitions)
      metrics[`${name}Ns`] = ((performance.now() - start) * 1e6) / repetitions
    }
    await peer.close()
    return { metrics }
  })

type KeyOf = (i: number) => string
type Regime = (entries: number, count: number) => void

/** The known keys come last: they are those that the map holds when the loops run. */
function keysOf(keys: string[]): Record<string, KeyOf> {
  return { FreshKey: (i) => keyOf(i), KnownKey: (i) => keys[i]! }
}

const reads: Record<string, (record: Customer) => number> = {
  OneField: (record) => record.visits,
  AllFields: (record) => consume(record),
}

/** Every combination under its name: `getFreshKeyHotOneField`, ..., `overwriteKnownKeyAll`. */
function regimesOf(peer: Peer, keys: string[]): Record<string, Regime> {
  const regimes: Record<string, Regime> = {}
  const each = Object.entries(keysOf(keys)).flatMap(([key, use]) =>
    ['Hot', 'All'].map((where) => ({ name: `${key}${where}`, use, isHot: where === 'Hot' })),
  )
  for (const { name, use, isHot } of each) {
    for (const [fields, read] of Object.entries(reads)) {
      regimes[`get${name}${fields}`] = (entries, count) => {
        const next = placesIn(entries, isHot)
        let sum = 0
        for (let i = 0; i < count; i++) sum += read(peer.get(use(next()))!)
        if (Number.isNaN(sum)) throw new Error('something else was read')
      }
    }
  }
  for (const { name, use, isHot } of each) {
    regimes[`overwrite${name}`] = (entries, count) => {
      const next = placesIn(entries, isHot)
      for (let i = 0; i < count; i++) {
        const one = next()
        peer.set(use(one), recordOf(one, i))
      }
    }
  }
  return regimes
}

/** The hot ones lie far apart in the order of insertion, hence in memory. */
function placesIn(entries: number, isHot: boolean): () => number {
  const hot = Math.min(hotEntries, entries)
  const index = new RandomIndex(isHot ? hot : entries)
  const step = isHot ? Math.floor(entries / hot) : 1
  return () => index.next() * step
}

function insert(peer: Peer, use: KeyOf, from: number, to: number): void {
  for (let i = from; i < to; i++) peer.set(use(i), recordOf(i))
}

/** Growing from nothing; the smallest size again and again. A turn of the event loop at times, as in a server. */
async function timeOfInserts(peer: Peer, use: KeyOf, entries: number): Promise<number> {
  const fills = Math.max(1, Math.floor(200_000 / entries))
  let elapsed = 0
  for (let round = 0; round < fills; round++) {
    peer.clear()
    await settle(10)
    for (let from = 0; from < entries; from += 1000) {
      const start = performance.now()
      insert(peer, use, from, Math.min(entries, from + 1000))
      elapsed += performance.now() - start
      await turn()
    }
  }
  return (elapsed * 1e6) / (fills * entries)
}
