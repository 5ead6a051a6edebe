import { join } from 'node:path'
import type { Histogram } from 'hdr-histogram-js'
import type { Benchmark, Case, Measure } from './lib/benchmark.js'
import { assertRealDisk } from './lib/disk.js'
import { fillTo, strategyOf } from './lib/filled.js'
import { open, snapshotsOnRequest } from './lib/forkstore.js'
import { settle, withFolder } from './lib/machine.js'
import { keyOf, RandomIndex, recordOf, type Customer } from './lib/records.js'
import { maximum, newHistogram, percentile, record } from './lib/statistics.js'

/** Of each of the two times without a snapshot, before it and after it. */
const quietMs = 10_000
/** Until what a snapshot leaves behind is done. */
const restMs = 3000

export const benchmark: Benchmark = {
  name: 'commit-saving',
  title:
    'one commit after the other, without a snapshot and while one is written at the pace that is the default',
  cases: ({ mebibytes = [4096], contenders = ['forkstore', 'forkstore copy'] }) =>
    mebibytes.flatMap((size) => contenders.map((contender): Case => ({ contender, mebibytes: size }))),
  rounds: () => 1,
  maxima: ['quietMaxMs', 'savingMaxMs'],
}

export const measure: Measure = ({ contender, mebibytes = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    assertRealDisk(folder)
    const snapshot = snapshotsOnRequest(strategyOf(contender))
    const store = await open(join(folder, 'store'), {
      engine: options.engine,
      snapshot,
      durability: 'everysec',
    })
    const map = store.map<string, Customer>('customers')
    const entries = await fillTo(store, map, mebibytes)
    await store.commit()
    const index = new RandomIndex(entries)
    let version = 0
    const commits = async (histogram: Histogram, isOver: () => boolean): Promise<void> => {
      while (!isOver()) {
        const one = index.next()
        const start = performance.now()
        map.set(keyOf(one), recordOf(one, version++))
        await store.commit()
        record(histogram, performance.now() - start)
      }
    }
    const quiet = newHistogram()
    const saving = newHistogram()
    const durations: number[] = []
    const beQuiet = async (): Promise<void> => {
      const end = performance.now() + quietMs
      await commits(quiet, () => performance.now() > end)
    }
    // The first one follows the filling, whose log it removes.
    await store.snapshot()
    await settle(restMs)
    await beQuiet()
    for (let i = 0; i < 2; i++) {
      let isRunning = true
      const running = store.snapshot().finally(() => (isRunning = false))
      await commits(saving, () => !isRunning)
      durations.push((await running).durationMs)
      await settle(restMs)
      await beQuiet()
    }
    await store.close()
    return {
      metrics: {
        ...tailsOf('quiet', quiet),
        ...tailsOf('saving', saving),
        snapshotMs: Math.max(...durations),
      },
    }
  })

function tailsOf(name: string, histogram: Histogram): Record<string, number> {
  return {
    [`${name}P50Ms`]: percentile(histogram, 50),
    [`${name}P99Ms`]: percentile(histogram, 99),
    [`${name}P999Ms`]: percentile(histogram, 99.9),
    [`${name}MaxMs`]: maximum(histogram),
  }
}
