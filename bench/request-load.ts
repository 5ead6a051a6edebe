import { sharedNow } from './lib/clock.js'
import { Connection } from './lib/connection.js'
import { Metronome } from './lib/metronome.js'
import { serveCommands } from './lib/partner.js'
import { RandomIndex } from './lib/records.js'

/** At this rate server and load take a fifth to a third of a core each: queues form from stalls only. */
export const requestsPerMs = 2
const connections = 64

/** Of a hundred requests so many change something, and of these half two things. The others read. */
const writesPerHundred = 20
const patchesPerHundred = writesPerHundred / 2

/** Load for so long. */
export interface LoadCommand {
  durationMs: number
}

/** Of each request, by its number: times on the shared clock. */
export interface Timings {
  /** When it was to be sent. */
  arrivals: Float64Array
  /** From then to the end of its answer. */
  latencies: Float64Array
  /** How late the generator itself came to it; part of the latency. */
  lags: Float64Array
}

export interface LoadReady {
  connections: number
}

/** In a process of its own: requests to records below `count` whenever they are told. */
export async function generate(port: number, count: number): Promise<void> {
  const all = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)))
  const index = new RandomIndex(count)
  const mix = new RandomIndex(100, 0x1234567)
  process.send?.({ connections } satisfies LoadReady)
  await serveCommands<LoadCommand>(({ durationMs }) => run(all, index, mix, durationMs * requestsPerMs))
  for (const one of all) one.close()
}

/**
 * An open loop, as `probe`: a request's latency begins when it was to be sent, not when a connection was
 * free, so a stall of the server is charged to all that had to wait.
 */
function run(all: Connection[], index: RandomIndex, mix: RandomIndex, total: number): Promise<Timings> {
  const free = [...all]
  const arrivals = new Float64Array(total)
  const latencies = new Float64Array(total)
  const lags = new Float64Array(total)
  let isStarted = false
  let due = 0
  let sent = 0
  let answered = 0

  return new Promise((resolve, reject) => {
    function send(): void {
      while (sent < due && free.length > 0) {
        const number = sent++
        const connection = free.shift()! // in turn, so that all are warm
        connection.send(methodOf(mix.next()), `/${index.next()}`, (status) => {
          latencies[number] = sharedNow() - arrivals[number]!
          if (!status.includes(' 200 ')) reject(new Error(status))
          free.push(connection)
          if (++answered === total) resolve({ arrivals, latencies, lags })
          else if (sent < due) send()
        })
      }
    }

    const metronome = new Metronome(1 / requestsPerMs, () => {
      const now = sharedNow()
      if (!isStarted) {
        // With the first beat: to start the metronome's thread takes some 20 ms, for which all would be late.
        isStarted = true
        for (let i = 0; i < total; i++) arrivals[i] = now + i / requestsPerMs
      }
      while (due < total && arrivals[due]! <= now) lags[due] = now - arrivals[due++]!
      send()
      if (due === total) void metronome.stop()
    })
  })
}

function methodOf(percent: number): string {
  if (percent < patchesPerHundred) return 'PATCH'
  return percent < writesPerHundred ? 'POST' : 'GET'
}
