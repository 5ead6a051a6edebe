import { cross, type Benchmark, type Measure, type Metrics } from './lib/benchmark.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { consume, keyOf, RandomIndex, recordOf } from './lib/records.js'
import { openPeer, type Peer } from './peers/peer.js'

/**
 * Nanoseconds of an operation on records at random places. Each loop also makes its key (a new string),
 * draws a random number and, where it writes, makes its record: the same for all. The row `nothing` is
 * those parts alone.
 */
export const benchmark: Benchmark = {
  name: 'operations',
  title: 'time of an operation, making its key and record included (see the row "nothing")',
  cases: (options) =>
    cross(
      ['nothing', 'map', 'forkstore', 'megahash', 'lmdb', 'sqlite'],
      [10_000, 1_000_000, 5_000_000],
      options,
    ),
  rounds: ({ contender, entries = 0 }) => {
    if (entries > 1_000_000) return 1
    return entries > 10_000 && slow.includes(contender) ? 2 : 3
  },
}

/** Take minutes to fill at the larger sizes. */
const slow = ['megahash', 'lmdb', 'sqlite']

/** Enough for a stable mean, even where an operation takes a few microseconds. */
const repetitions = 300_000

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    const peer = await openPeer(contender, folder, options)
    await warmUp(peer)
    const metrics: Metrics = {}
    metrics['insertNs'] = await timeOfInserts(peer, entries)
    const present = contender === 'nothing' || peer.get(keyOf(entries - 1)) !== undefined
    if (!present || peer.get(keyOf(0)) === undefined) throw new Error('a record is missing')
    for (const [name, phase] of Object.entries(phases)) {
      if (contender === 'nothing' && name === 'iterate') continue
      await settle()
      const start = performance.now()
      const count = phase(peer, entries, repetitions)
      metrics[`${name}Ns`] = ((performance.now() - start) * 1e6) / count
    }
    await settle()
    metrics['deleteNs'] = timeOfDeletes(peer, entries, repetitions)
    await peer.close()
    return { metrics }
  })

/** Compiles everything, and leaves the store empty. */
async function warmUp(peer: Peer): Promise<void> {
  for (let round = 0; round < 3; round++) {
    insert(peer, 0, 20_000)
    for (const phase of Object.values(phases)) phase(peer, 20_000, 30_000)
    timeOfDeletes(peer, 20_000, 10_000)
    peer.clear()
    await settle(20)
  }
}

function fill(peer: Peer, from: number, to: number): void {
  for (let i = from; i < to; i++) peer.set(keyOf(i), recordOf(i))
}

/**
 * The databases insert in transactions, as a loader would. SQLite, for one, pays for each commit that added
 * pages with time that grows with their number.
 */
function insert(peer: Peer, from: number, to: number): void {
  if (peer.transaction === undefined) fill(peer, from, to)
  else peer.transaction(() => fill(peer, from, to))
}

/** Growing from nothing; the smallest size again and again. A turn of the event loop at times, as in a server. */
async function timeOfInserts(peer: Peer, entries: number): Promise<number> {
  const fills = Math.max(1, Math.floor(200_000 / entries))
  let elapsed = 0
  for (let round = 0; round < fills; round++) {
    peer.clear()
    await settle(10)
    for (let from = 0; from < entries; from += 1000) {
      const start = performance.now()
      insert(peer, from, Math.min(entries, from + 1000))
      elapsed += performance.now() - start
      await turn()
    }
  }
  return (elapsed * 1e6) / (fills * entries)
}

/** Each gives back how many operations it did. */
const phases: Record<string, (peer: Peer, entries: number, repetitions: number) => number> = {
  get(peer, entries, repetitions) {
    const index = new RandomIndex(entries)
    let read = 0
    for (let i = 0; i < repetitions; i++) read += consume(peer.get(keyOf(index.next()))!)
    return read > 0 ? repetitions : 0
  },

  /** Half of them are not there. */
  has(peer, entries, repetitions) {
    const index = new RandomIndex(2 * entries)
    let found = 0
    for (let i = 0; i < repetitions; i++) if (peer.has(keyOf(index.next()))) found++
    return found > 0 ? repetitions : 0
  },

  overwrite(peer, entries, repetitions) {
    const index = new RandomIndex(entries)
    for (let i = 0; i < repetitions; i++) {
      const one = index.next()
      peer.set(keyOf(one), recordOf(one, i))
    }
    return repetitions
  },

  iterate(peer, entries, repetitions) {
    const walks = Math.max(1, Math.floor(repetitions / entries))
    let count = 0
    for (let walk = 0; walk < walks; walk++) count += peer.iterate(1_000_000)
    return count
  },
}

/** Half of the records, each once, in no order of the memory; put back afterwards, outside of the measured time. */
function timeOfDeletes(peer: Peer, entries: number, repetitions: number): number {
  const deletes = Math.min(repetitions, Math.floor(entries / 2))
  const passes = Math.max(1, Math.floor(repetitions / 2 / deletes))
  const step = stepFor(entries)
  let elapsed = 0
  for (let pass = 0; pass < passes; pass++) {
    const start = performance.now()
    for (let i = 0, one = pass; i < deletes; i++, one = (one + step) % entries) peer.delete(keyOf(one))
    elapsed += performance.now() - start
    for (let i = 0, one = pass; i < deletes; i++, one = (one + step) % entries)
      peer.set(keyOf(one), recordOf(one))
  }
  return (elapsed * 1e6) / (passes * deletes)
}

/** A step without a common divisor comes by every record once. */
function stepFor(entries: number): number {
  const divides = (a: number, b: number): number => (b === 0 ? a : divides(b, a % b))
  let step = Math.floor(entries * 0.6180339887) | 1
  while (divides(step, entries) !== 1) step += 2
  return step
}
