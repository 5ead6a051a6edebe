import { countOf, extentOf } from './backends/backend.js'
import {
  cross,
  type Benchmark,
  type Case,
  type Measure,
  type Metrics,
  type Options,
} from './lib/benchmark.js'
import { withFolder } from './lib/machine.js'
import { Partner } from './lib/partner.js'
import { SeriesBuilder } from './lib/series.js'
import { maximum, median, newHistogram, percentile, record } from './lib/statistics.js'
import type { Usage } from './lib/usage.js'
import type { LoadCommand, LoadReady, Timings } from './request-load.js'
import type { ServerReady, SnapshotTimes, Window, WindowCommand } from './request-server.js'

const contenders = [
  'nothing',
  'map',
  'forkstore-fork',
  'forkstore-copy',
  'forkstore-auto',
  'forkstore/js',
  'redis',
]

/** What the engine of JavaScript is measured with at most: a snapshot holds its event loop for all of its data. */
const mostEntriesOfJs = 1_000_000
const objects = 10

export const benchmark: Benchmark = {
  name: 'request',
  title: 'an HTTP request (4 in 5 read, 1 in 5 writes), without snapshots and with them back to back',
  cases: (options) => [...recordCases(options), ...objectCases(options)].map(atMost),
  rounds: () => 3,
  maxima: ['quiet', 'busy'].flatMap((name) => [`${name}MaxMs`, `${name}GcMaxMs`, `${name}LoopDelayMaxMs`]),
}

function recordCases(options: Options): Case[] {
  if (options.data?.includes('records') === false) return []
  return cross(contenders, [5_000_000], options)
}

/** `--entries` says how many members there are in all. */
function objectCases(options: Options): Case[] {
  if (options.data?.includes('objects') === false) return []
  const sizes = (options.entries ?? [10_000_000]).map((entries) => Math.ceil(entries / objects))
  const { entries: _entries, ...rest } = options
  const storing = contenders.filter((name) => name !== 'nothing')
  return cross(storing, sizes, rest).map((one) => ({ ...one, objects }))
}

function atMost(one: Case): Case {
  if (one.contender !== 'forkstore/js' || one.entries === undefined) return one
  return { ...one, entries: Math.min(one.entries, mostEntriesOfJs / (one.objects ?? 1)) }
}

/** Compiles, opens connections, touches pages, takes first snapshots: nothing of it counts. */
const warmUp: WindowCommand = { quietMs: 5000, busyMs: 3000 }
/** Load that does not count either, for what a snapshot leaves behind. */
const settleMs = 2000
const windows = 2
const window: WindowCommand = { quietMs: 10_000, busyMs: 10_000 }

const bucketMs = 100

/**
 * Of the load generator: room for the garbage of a whole window, and a collection that waits for no other thread. Its
 * own pauses would be taken for the server's. The server runs with Node's defaults.
 */
const flagsOfLoad = ['--min-semi-space-size=64', '--max-semi-space-size=64', '--single-threaded-gc']

/** How long to wait for an answer, beside the time of what was asked for. */
const mostFillMs = 20 * 60_000
const mostLateMs = 2 * 60_000

export const measure: Measure = (one, options) =>
  withFolder(options.directory, async (folder) => {
    const server = new Partner(
      [],
      new URL('./request-server.js', import.meta.url).href,
      'serve',
      one,
      folder,
      options,
    )
    try {
      const { port } = await server.hear<ServerReady>(mostFillMs)
      const url = new URL('./request-load.js', import.meta.url).href
      const load = new Partner(flagsOfLoad, url, 'generate', port, countOf(extentOf(one)))
      try {
        await load.hear<LoadReady>(mostLateMs)
        return await run(server, load)
      } finally {
        await load.stop()
      }
    } finally {
      await server.stop()
    }
  })

interface Pair {
  timings: Timings
  told: Window
}

async function pair(server: Partner, load: Partner, command: WindowCommand): Promise<Pair> {
  const durationMs = command.quietMs + command.busyMs
  const [timings, told] = await Promise.all([
    load.ask<Timings>({ durationMs } satisfies LoadCommand, durationMs + mostLateMs),
    server.ask<Window>(command, durationMs + mostLateMs),
  ])
  return { timings, told }
}

async function run(server: Partner, load: Partner): Promise<Awaited<ReturnType<Measure>>> {
  await pair(server, load, warmUp)
  const pairs: Pair[] = []
  for (let i = 0; i < windows; i++) {
    await load.ask<Timings>({ durationMs: settleMs } satisfies LoadCommand, settleMs + mostLateMs)
    pairs.push(await pair(server, load, window))
  }
  const quiet = newHistogram()
  const busy = newHistogram()
  const lag = newHistogram()
  for (const { timings, told } of pairs) {
    for (const [i, latency] of timings.latencies.entries()) {
      // One that the first snapshot has held up belongs to the snapshots, whenever it arrived.
      const isBusy = timings.arrivals[i]! + latency > told.busyStartMs
      record(isBusy ? busy : quiet, latency)
      record(lag, timings.lags[i]!)
    }
  }
  return {
    metrics: {
      ...tailsOf('quiet', quiet),
      ...tailsOf('busy', busy),
      ...metricsOfSnapshots(pairs.flatMap(({ told }) => told.snapshots)),
      ...metricsOfUsage(
        'quiet',
        pairs.map(({ told }) => told.quiet),
      ),
      ...metricsOfUsage(
        'busy',
        pairs.map(({ told }) => told.busy),
      ),
      loadLagP999Ms: percentile(lag, 99.9),
    },
    series: seriesOf(pairs.at(-1)!),
  }
}

function tailsOf(prefix: string, histogram: ReturnType<typeof newHistogram>): Metrics {
  return {
    [`${prefix}P50Ms`]: percentile(histogram, 50),
    [`${prefix}P99Ms`]: percentile(histogram, 99),
    [`${prefix}P999Ms`]: percentile(histogram, 99.9),
    [`${prefix}P9999Ms`]: percentile(histogram, 99.99),
    [`${prefix}MaxMs`]: maximum(histogram),
  }
}

function metricsOfSnapshots(snapshots: SnapshotTimes[]): Metrics {
  if (snapshots.length === 0) return {}
  const metrics: Metrics = {
    snapshotsCount: snapshots.length,
    pauseMs: median(snapshots.map((one) => one.pauseMs)),
    durationMs: median(snapshots.map((one) => one.endMs - one.startMs)),
  }
  for (const { strategy } of snapshots) {
    if (strategy === undefined) continue
    const name = `by${strategy.charAt(0).toUpperCase()}${strategy.slice(1)}Count`
    metrics[name] = (metrics[name] ?? 0) + 1
  }
  return metrics
}

function metricsOfUsage(prefix: string, usages: Usage[]): Metrics {
  const mean = (pick: (usage: Usage) => number): number =>
    usages.reduce((sum, usage) => sum + pick(usage), 0) / usages.length
  const highest = (pick: (usage: Usage) => number): number => Math.max(...usages.map(pick))
  return {
    [`${prefix}CpuMsPerSecond`]: mean((usage) => usage.cpuMsPerSecond),
    [`${prefix}GcMsPerSecond`]: mean((usage) => usage.gcMsPerSecond),
    [`${prefix}GcPerSecond`]: mean((usage) => usage.gcPerSecond),
    [`${prefix}GcMaxMs`]: highest((usage) => usage.gcMaxMs),
    [`${prefix}LoopDelayMaxMs`]: highest((usage) => usage.loopDelayMaxMs),
  }
}

/** From the beginning of the quiet part to the end of the one with snapshots. */
function seriesOf({ timings, told }: Pair): ReturnType<SeriesBuilder['build']> {
  const builder = new SeriesBuilder(bucketMs)
  const origin = timings.arrivals[0]!
  for (const [i, latency] of timings.latencies.entries()) builder.add(timings.arrivals[i]! - origin, latency)
  return builder.build(
    told.snapshots.map((one) => ({ ...one, startMs: one.startMs - origin, endMs: one.endMs - origin })),
  )
}
