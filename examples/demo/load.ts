/**
 * The load: requests leave by the clock, whether or not earlier ones have been answered, as from many
 * users who know nothing of each other. A server that stalls therefore makes every request of that time
 * slow, and all of them are counted.
 */
import { Agent, request } from 'node:http'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { FromLoad, Latency, LoadOptions, Package, ToLoad } from './model.js'
import { packageName } from './names.js'
import { startRole } from './role.js'

const CONNECTIONS = 64
const WRITE_SHARE = 0.3
const TOP_SHARE = 0.01
const PROBLEMS_TOLD = 5
/**
 * Both processes compile their code at first; how slow that is says nothing about the store. Nothing is
 * measured until that time is over and the requests that have queued up meanwhile are answered, at most the
 * longest time.
 */
const WARM_UP_MS = 2_000
const LONGEST_WARM_UP_MS = 8_000
const FEW_OUTSTANDING = 10

const role = startRole<LoadOptions, ToLoad, FromLoad>()
const { port, entries, requestsPerSecond } = role.options
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })

const acknowledgedIndexes: number[] = []
const acknowledgedNumbers: number[] = []
const acknowledgedDownloads = new Uint32Array(entries)
const unansweredIndexes: number[] = []
const problems: string[] = []
const lastSecond = createHistogram()
const duringSnapshots = createHistogram()
const otherwise = createHistogram()
let issued = 0
let issuedWrites = 0
let outstanding = 0
let issuedBefore = 0
let writesBefore = 0
let snapshotsSeen = 0
let snapshotRunning = false
let serverMayDie = false
let ended = false
const started = performance.now()

let warm = false
let everySecond: NodeJS.Timeout | undefined
function isWarm(): boolean {
  const elapsed = performance.now() - started
  const isCalm = elapsed > WARM_UP_MS && outstanding <= FEW_OUTSTANDING
  if (!warm && (isCalm || elapsed > LONGEST_WARM_UP_MS)) {
    warm = true
    everySecond = setInterval(tellSecond, 1000)
    issuedBefore = issued
    writesBefore = issuedWrites
  }
  return warm
}

role.receive((message) => {
  if (message.type === 'server-will-die') {
    serverMayDie = true
  } else {
    snapshotRunning = message.running
    if (snapshotRunning) snapshotsSeen++
  }
})

/** The same numbers in every run: Mulberry32, a counter scrambled by multiplications. */
let state = 0x5eed
function random(): number {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

/** A few packages are asked for often, most of them seldom. */
function randomPackage(): number {
  return Math.floor(entries * random() ** 4)
}

function problem(text: string): void {
  if (problems.length < PROBLEMS_TOLD) problems.push(text)
}

/** Sends one request; resolves to the parsed body, or undefined when there was no whole answer. */
function ask(method: string, path: string): Promise<unknown> {
  const sentAt = performance.now()
  const measured = isWarm()
  const metSnapshot = snapshotRunning
  const snapshotsBefore = snapshotsSeen
  outstanding++
  return new Promise((resolve) => {
    const settle = (body: unknown): void => {
      outstanding--
      resolve(body)
    }
    const failed = (error: Error): void => {
      if (!serverMayDie) problem(`${method} ${path}: ${error.message}`)
      ended = true // the server is gone
      settle(undefined)
    }
    const outgoing = request({ host: '127.0.0.1', port, method, path, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('error', failed)
      response.on('data', (part: string) => (text += part))
      response.on('end', () => {
        const microseconds = Math.max(1, Math.round((performance.now() - sentAt) * 1000))
        if (measured) {
          const met = metSnapshot || snapshotRunning || snapshotsSeen !== snapshotsBefore
          lastSecond.record(microseconds)
          if (met) duringSnapshots.record(microseconds)
          else otherwise.record(microseconds)
        }
        if (response.statusCode !== 200) problem(`${method} ${path}: status ${response.statusCode}`)
        settle(JSON.parse(text))
      })
    })
    outgoing.on('error', failed)
    outgoing.end()
  })
}

async function write(index: number): Promise<void> {
  issuedWrites++
  const answer = await ask('POST', `/package/${encodeURIComponent(packageName(index))}/download`)
  if (answer === undefined) {
    unansweredIndexes.push(index)
    return
  }
  acknowledgedIndexes.push(index)
  acknowledgedNumbers.push((answer as { number: number }).number)
  acknowledgedDownloads[index]!++
}

async function read(index: number): Promise<void> {
  const name = packageName(index)
  const mustHave = acknowledgedDownloads[index]!
  const answer = (await ask('GET', `/package/${encodeURIComponent(name)}`)) as Package | undefined
  if (answer === undefined) return
  if (answer.rank !== index || answer.downloads < mustHave) {
    problem(`${name}: read ${JSON.stringify(answer)}; it is ${index} and had ${mustHave} downloads before`)
  }
}

function issue(): void {
  issued++
  const choice = random()
  if (choice < WRITE_SHARE) void write(randomPackage())
  else if (choice < WRITE_SHARE + TOP_SHARE) void ask('GET', '/top')
  else void read(randomPackage())
}

function latencyOf(histogram: RecordableHistogram): Latency | undefined {
  if (histogram.count === 0) return undefined
  return {
    p50Ms: histogram.percentile(50) / 1000,
    p99Ms: histogram.percentile(99) / 1000,
    p999Ms: histogram.percentile(99.9) / 1000,
    slowestMs: histogram.max / 1000,
  }
}

function tellSecond(): void {
  const second = {
    issued: issued - issuedBefore,
    writes: issuedWrites - writesBefore,
    latency: latencyOf(lastSecond),
  }
  issuedBefore = issued
  writesBefore = issuedWrites
  lastSecond.reset()
  void role.send({ type: 'second', second })
}

/** How many requests should have left by now: the rate rises from 0 during the warm-up. */
function requestsDue(): number {
  const seconds = (performance.now() - started) / 1000
  const warmUp = WARM_UP_MS / 1000
  const full = seconds - warmUp
  return requestsPerSecond * (full < 0 ? seconds ** 2 / (2 * warmUp) : warmUp / 2 + full)
}

const clock = setInterval(() => {
  if (!ended) {
    const due = requestsDue()
    while (issued < due) issue()
  } else if (outstanding === 0) {
    clearInterval(clock)
    clearInterval(everySecond)
    agent.destroy()
    void report()
  }
}, 1)

async function report(): Promise<void> {
  await role.send({
    type: 'report',
    evidence: {
      entries,
      acknowledgedIndexes: Uint32Array.from(acknowledgedIndexes),
      acknowledgedNumbers: Uint32Array.from(acknowledgedNumbers),
      unansweredIndexes: Uint32Array.from(unansweredIndexes),
    },
    duringSnapshots: latencyOf(duringSnapshots),
    otherwise: latencyOf(otherwise),
    problems,
  })
  process.disconnect()
}
