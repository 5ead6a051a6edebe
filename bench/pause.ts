import { setTimeout as sleep } from 'node:timers/promises'
import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { probe, type ProbeResult } from './lib/probe.js'
import { consume, keyOf, RandomIndex, recordOf } from './lib/records.js'
import { openSaver, type Saver } from './lib/savers.js'
import type { SnapshotSpan } from './lib/series.js'
import { median, percentilesOf } from './lib/statistics.js'

export const benchmark: Benchmark = {
  name: 'pause',
  title: 'latency of a get and a set that arrive each millisecond, without and with snapshots',
  cases: (options) => cross(['map-json', 'map-v8', 'forkstore'], [100_000, 1_000_000, 5_000_000], options),
  rounds: ({ entries = 0 }) => ({ 1_000_000: 3, 5_000_000: 1 })[entries] ?? 2,
}

const intervalMs = 1
const quietMs = 2500
const busyMs = 6000

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    const saver = await openSaver(contender, folder, options)
    for (let i = 0; i < entries; i++) {
      saver.set(keyOf(i), recordOf(i))
      if (i % 10_000 === 0) await turn()
    }
    await run(saver, entries, 500)
    await settle()
    const quiet = await run(saver, entries, quietMs)
    const [busy, spans] = await Promise.all([run(saver, entries, busyMs), snapshots(saver)])
    await saver.close()
    return {
      metrics: {
        ...percentilesOf('quiet', quiet.histogram),
        ...percentilesOf('busy', busy.histogram),
        stallMs: median(spans.map((one) => one.pauseMs)),
        snapshotsCount: spans.length,
      },
      series: busy.series.build(spans),
    }
  })

function run(saver: Saver, entries: number, durationMs: number): Promise<ProbeResult> {
  const index = new RandomIndex(entries)
  return probe({
    intervalMs,
    durationMs,
    request: (number) => {
      const found = saver.get(keyOf(index.next()))
      if (found === undefined) throw new Error('a record is missing')
      if (consume(found) < 0) throw new Error('a record is wrong')
      const written = index.next()
      saver.set(keyOf(written), recordOf(written, number))
    },
  })
}

/** One snapshot after a second and one in the second half, or as soon after as the first is done. */
async function snapshots(saver: Saver): Promise<SnapshotSpan[]> {
  const start = performance.now()
  const spans: SnapshotSpan[] = []
  for (const atMs of [1000, 1000 + busyMs / 2]) {
    const elapsed = performance.now() - start
    if (elapsed > busyMs) break
    await sleep(Math.max(0, atMs - elapsed))
    const startMs = performance.now() - start
    const pauseMs = await saver.snapshot()
    spans.push({ startMs, endMs: performance.now() - start, pauseMs })
  }
  return spans
}
