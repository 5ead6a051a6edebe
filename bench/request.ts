import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { cross, type Benchmark, type Measure, type Options } from './lib/benchmark.js'
import { withFolder } from './lib/machine.js'
import { Metronome } from './lib/metronome.js'
import { RandomIndex } from './lib/records.js'
import { median, newHistogram, percentilesOf, record } from './lib/statistics.js'
import { sharedNow, type Command, type Ready, type SnapshotTimes } from './request-server.js'

export const benchmark: Benchmark = {
  name: 'request',
  title: 'an HTTP request (a get and an increment), none running, and while snapshots run',
  cases: (options) => cross(['forkstore'], [1_000_000], options),
  rounds: () => 2,
}

/** Some tenth of what one core serves: queues form from stalls only. */
const requestsPerMs = 1
const connections = 32
const windowMs = 3000
const windows = 5
/** From the start of a snapshot to that of the next. */
const snapshotEveryMs = 500

interface Timing {
  arrivalMs: number
  endMs: number
}

export const measure: Measure = ({ entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    const server = await startServer(folder, entries, options)
    const pool = new Pool(`http://127.0.0.1:${server.port}`, { connections, pipelining: 1 })
    const quiet = newHistogram()
    const inWindows = newHistogram()
    const overlapping = newHistogram()
    const taken: SnapshotTimes[] = []
    await load(pool, entries, windowMs)
    for (let window = 0; window < windows; window++) {
      for (const one of await load(pool, entries, windowMs)) record(quiet, one.endMs - one.arrivalMs)
      const [timings, snapshots] = await Promise.all([
        load(pool, entries, windowMs),
        takeSnapshots(server.process, windowMs),
      ])
      taken.push(...snapshots)
      for (const one of timings) {
        record(inWindows, one.endMs - one.arrivalMs)
        const overlaps = snapshots.some((other) => one.endMs >= other.startMs && one.arrivalMs <= other.endMs)
        if (overlaps) record(overlapping, one.endMs - one.arrivalMs)
      }
    }
    await pool.destroy()
    const exit = once(server.process, 'exit')
    server.process.send('close' satisfies Command)
    await exit
    return {
      metrics: {
        ...percentilesOf('quiet', quiet),
        ...percentilesOf('window', inWindows),
        ...percentilesOf('during', overlapping),
        duringShareCount: overlapping.totalCount / inWindows.totalCount,
        snapshotsCount: taken.length,
        pauseMs: median(taken.map((one) => one.pauseMs)),
        durationMs: median(taken.map((one) => one.endMs - one.startMs)),
      },
    }
  })

async function startServer(folder: string, entries: number, { engine }: Options) {
  const module = fileURLToPath(new URL('./lib/child.js', import.meta.url))
  const child = fork(module, { execArgv: ['--no-warnings'] })
  const url = new URL('./request-server.js', import.meta.url).href
  child.send({ module: url, name: 'serve', args: [folder, entries, engine] })
  const [message] = (await once(child, 'message')) as [Ready | { error: string }]
  if ('error' in message) throw new Error(message.error)
  return { process: child, port: message.port }
}

/**
 * An open loop, as `probe`: a request's latency begins when it was to be sent, not when a connection was
 * free, so a stall of the server is charged to all that had to wait.
 */
async function load(pool: Pool, entries: number, durationMs: number): Promise<Timing[]> {
  const index = new RandomIndex(entries)
  const timings: Timing[] = []
  const pending: Promise<void>[] = []
  const origin = sharedNow()
  const total = durationMs * requestsPerMs
  let next = 0

  async function request(arrivalMs: number): Promise<void> {
    const { body, statusCode } = await pool.request({ path: `/${index.next()}`, method: 'GET' })
    await body.dump()
    if (statusCode !== 200) throw new Error(`status ${statusCode}`)
    timings.push({ arrivalMs, endMs: sharedNow() })
  }

  await new Promise<void>((resolve) => {
    const metronome = new Metronome(1 / requestsPerMs, () => {
      while (next < total && origin + next / requestsPerMs <= sharedNow()) {
        pending.push(request(origin + next++ / requestsPerMs))
      }
      if (next === total) resolve(metronome.stop())
    })
  })
  await Promise.all(pending)
  return timings
}

async function takeSnapshots(server: ChildProcess, durationMs: number): Promise<SnapshotTimes[]> {
  const start = performance.now()
  const times: SnapshotTimes[] = []
  for (let atMs = snapshotEveryMs / 2; atMs < durationMs - snapshotEveryMs / 2; atMs += snapshotEveryMs) {
    await sleep(Math.max(0, atMs - (performance.now() - start)))
    const answer = once(server, 'message')
    server.send('snapshot' satisfies Command)
    const [message] = (await answer) as [SnapshotTimes | { error: string }]
    if ('error' in message) throw new Error(message.error)
    times.push(message)
  }
  return times
}
