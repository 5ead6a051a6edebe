import type { Benchmark, Case, Measure, Metrics } from './lib/benchmark.js'
import { openFilled, type Filled } from './lib/filled.js'
import { turn, withFolder } from './lib/machine.js'
import { keyOf, RandomIndex, recordOf } from './lib/records.js'
import { startRedis } from './lib/redis.js'
import { median } from './lib/statistics.js'
import { setTimeout as sleep } from 'node:timers/promises'

export const benchmark: Benchmark = {
  name: 'fork',
  title:
    'the fork of a snapshot and the pause around it, beside the fork of BGSAVE with as much resident memory',
  cases: ({ mebibytes = [64, 256, 1024, 4096], contenders = ['forkstore', 'redis'] }) =>
    mebibytes.flatMap((size) => contenders.map((contender): Case => ({ contender, mebibytes: size }))),
  rounds: ({ mebibytes = 0 }) => (mebibytes > 1024 ? 1 : 2),
}

export const measure: Measure = ({ contender, mebibytes = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    if (contender === 'redis') return { metrics: await forksOfRedis(folder, mebibytes) }
    const filled = await openFilled(folder, mebibytes, options)
    const metrics = await forksOfStore(filled, mebibytes > 1024 ? 2 : 5)
    await filled.store.close()
    return { metrics }
  })

async function forksOfRedis(folder: string, mebibytes: number): Promise<Metrics> {
  const redis = await startRedis(folder)
  try {
    const entries = await redis.fill(mebibytes * 2 ** 20)
    await sleep(1000)
    const forks: number[] = []
    for (let i = 0; i < 5; i++) forks.push(await redis.fork())
    return { entriesCount: entries, residentBytes: await redis.residentBytes(), forkMs: median(forks) }
  } finally {
    await redis.stop()
  }
}

async function forksOfStore({ store, map, entries }: Filled, snapshots: number): Promise<Metrics> {
  const clean: { forkMs: number; pauseMs: number }[] = []
  for (let i = 0; i < snapshots; i++) {
    // A snapshot without changes may be free; this one is not.
    map.set(keyOf(i), recordOf(i))
    clean.push(await store.snapshot())
    await sleep(200)
  }
  const split = await snapshotAmongWrites()
  const afterSplit = await store.snapshot()
  await sleep(1000 + store.stats().bytes.mapped / 1e6)
  const collapsed = await store.snapshot()

  /** Random writes while the child lives: each splits a huge page. */
  async function snapshotAmongWrites() {
    const index = new RandomIndex(entries)
    let running = true
    const snapshot = store.snapshot().finally(() => (running = false))
    while (running) {
      for (let i = 0; i < 200; i++) {
        const one = index.next()
        map.set(keyOf(one), recordOf(one, i))
      }
      await turn()
    }
    return snapshot
  }

  return {
    entriesCount: entries,
    residentBytes: store.stats().bytes.mapped,
    forkMs: median(clean.map((one) => one.forkMs)),
    pauseMs: median(clean.map((one) => one.pauseMs)),
    copiedBytes: split.copiedBytes,
    afterWritesForkMs: afterSplit.forkMs,
    afterWritesPauseMs: afterSplit.pauseMs,
    recollapsedForkMs: collapsed.forkMs,
    recollapsedPauseMs: collapsed.pauseMs,
  }
}
