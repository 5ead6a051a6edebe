import type { Benchmark, Case, Measure, Metrics } from './lib/benchmark.js'
import { openFilled, snapshotAmongWrites, strategyOf, type Filled } from './lib/filled.js'
import type { SnapshotResult } from './lib/forkstore.js'
import { withFolder } from './lib/machine.js'
import { keyOf, recordOf } from './lib/records.js'
import { startRedis } from './lib/redis.js'
import { maximum, median, newHistogram, percentile } from './lib/statistics.js'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often everything is written to during a snapshot, and then saved again. */
const rewrites = 3

export const benchmark: Benchmark = {
  name: 'fork',
  title:
    'how long a snapshot holds the event loop, by fork and by copy, beside the fork of BGSAVE with as many bytes',
  cases: ({
    mebibytes = [64, 256, 1024, 4096, 10240],
    contenders = ['forkstore', 'forkstore copy', 'redis'],
  }) => mebibytes.flatMap((size) => contenders.map((contender): Case => ({ contender, mebibytes: size }))),
  rounds: ({ mebibytes = 0 }) => (mebibytes > 1024 ? 1 : 2),
}

export const measure: Measure = ({ contender, mebibytes = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    if (contender === 'redis') return { metrics: await forksOfRedis(folder, mebibytes) }
    const filled = await openFilled(folder, mebibytes, options, strategyOf(contender))
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

async function forksOfStore(filled: Filled, snapshots: number): Promise<Metrics> {
  const { store, map } = filled
  const clean: SnapshotResult[] = []
  for (let i = 0; i < snapshots; i++) {
    // A snapshot without changes may be free; this one is not.
    map.set(keyOf(i), recordOf(i))
    clean.push(await store.snapshot())
    await sleep(200)
  }
  const among: Awaited<ReturnType<typeof snapshotAmongWrites>>[] = []
  const afterWrites: SnapshotResult[] = []
  const later: SnapshotResult[] = []
  for (let i = 0; i < rewrites; i++) {
    among.push(await snapshotAmongWrites(filled))
    afterWrites.push(await store.snapshot())
    await sleep(1000 + store.stats().bytes.mapped / 1e6)
    later.push(await store.snapshot())
  }
  const setMs = newHistogram()
  for (const one of among) setMs.add(one.setMs)
  return {
    entriesCount: filled.entries,
    residentBytes: store.stats().bytes.mapped,
    forkMs: median(clean.map((one) => one.forkMs)),
    pauseMs: median(clean.map((one) => one.pauseMs)),
    copiedBytes: median(among.map((one) => one.result.copiedBytes)),
    duringSetP50Us: percentile(setMs, 50) * 1000,
    duringSetP999Us: percentile(setMs, 99.9) * 1000,
    duringSetMaxUs: maximum(setMs) * 1000,
    afterWritesForkMs: median(afterWrites.map((one) => one.forkMs)),
    afterWritesPauseMs: median(afterWrites.map((one) => one.pauseMs)),
    recollapsedForkMs: median(later.map((one) => one.forkMs)),
    recollapsedPauseMs: median(later.map((one) => one.pauseMs)),
  }
}
