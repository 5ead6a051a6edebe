import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { open } from './lib/forkstore.js'
import { turn } from './lib/machine.js'
import { keyOf, recordOf } from './lib/records.js'
import { maximum, newHistogram, percentile, record } from './lib/statistics.js'

export const benchmark: Benchmark = {
  name: 'emptying',
  title: 'memory of a store after 99 of 100 records were deleted at random, and the turns that give it back',
  cases: (options) => cross(['forkstore'], [100_000, 1_000_000], options),
  rounds: () => 3,
}

const keptOf = 100

export const measure: Measure = async ({ entries = 0 }) => {
  const store = await open({ engine: 'native' })
  const map = store.map('customers')
  for (let i = 0; i < entries; i++) map.set(keyOf(i), recordOf(i))
  for (let i = 0; i < entries; i++) if (i % keptOf !== 0) map.delete(keyOf(i))
  const before = store.stats().bytes
  const histogram = newHistogram()
  const started = performance.now()
  // Until the frontier has stayed where it is for a while.
  let steady = started
  for (let mapped = before.mapped; performance.now() - steady < 500; ) {
    const start = performance.now()
    await turn()
    record(histogram, performance.now() - start)
    if (store.stats().bytes.mapped === mapped) continue
    mapped = store.stats().bytes.mapped
    steady = performance.now()
  }
  const after = store.stats().bytes
  await store.close()
  return {
    metrics: {
      liveBytes: after.live,
      beforeBytes: before.mapped,
      afterBytes: after.mapped,
      takenMs: steady - started,
      turnP999Ms: percentile(histogram, 99.9),
      turnMaxMs: maximum(histogram),
    },
  }
}
