import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { keyOf, recordOf } from './lib/records.js'
import { maximum, newHistogram, percentile, record } from './lib/statistics.js'
import { openPeer } from './peers/peer.js'

export const benchmark: Benchmark = {
  name: 'growth',
  title: 'each single set while a map grows from nothing',
  cases: (options) => cross(['map', 'forkstore'], [5_000_000], options),
  rounds: () => 3,
}

/** A server gets to its events this often, however busy it is. */
const setsPerTurn = 200

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    const warmUp = await openPeer(contender, folder, options)
    for (let i = 0; i < 100_000; i++) warmUp.set(keyOf(i), recordOf(i))
    await warmUp.close()
    await settle()
    const peer = await openPeer(contender, folder, options)
    const histogram = newHistogram()
    let long = 0
    for (let i = 0; i < entries; i++) {
      // Making the record is not timed; a garbage collection that falls into the set is.
      const key = keyOf(i)
      const value = recordOf(i)
      const start = performance.now()
      peer.set(key, value)
      const elapsed = performance.now() - start
      record(histogram, elapsed)
      if (elapsed > 2) long++
      if (i % setsPerTurn === 0) await turn()
    }
    await peer.close()
    return {
      metrics: {
        setP50Ms: percentile(histogram, 50),
        setP999Ms: percentile(histogram, 99.9),
        setP9999Ms: percentile(histogram, 99.99),
        setMaxMs: maximum(histogram),
        over2msCount: long,
      },
    }
  })
