import type { Benchmark, Case, Measure } from './lib/benchmark.js'
import { openFilled, snapshotAmongWrites, strategyOf } from './lib/filled.js'
import { withFolder } from './lib/machine.js'
import { median } from './lib/statistics.js'
import { setTimeout as sleep } from 'node:timers/promises'

/** Snapshots of each round, and of how many at its start and end the median is compared. */
const snapshots = 100
const atEnds = 5
/** Until what a snapshot has split is put together again, when nothing else is to be done. */
const restMs = 500

export const benchmark: Benchmark = {
  name: 'hundred',
  title: `${snapshots} snapshots, records set at random during each: the pause of the last against the first`,
  cases: ({ mebibytes = [256], contenders = ['forkstore', 'forkstore copy'] }) =>
    mebibytes.flatMap((size) => contenders.map((contender): Case => ({ contender, mebibytes: size }))),
  rounds: () => 3,
}

export const measure: Measure = ({ contender, mebibytes = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    const filled = await openFilled(folder, mebibytes, options, strategyOf(contender))
    const pausesMs: number[] = []
    for (let i = 0; i < snapshots; i++) {
      pausesMs.push((await snapshotAmongWrites(filled)).result.pauseMs)
      await sleep(restMs)
    }
    await filled.store.close()
    return {
      metrics: {
        firstPauseMs: median(pausesMs.slice(0, atEnds)),
        lastPauseMs: median(pausesMs.slice(-atEnds)),
        longestPauseMs: Math.max(...pausesMs),
      },
    }
  })
