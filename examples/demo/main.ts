/**
 * The demo: a server with its data inside, under load, saved while it serves, killed, and checked.
 *
 *     npm run demo -- [--entries 1000000] [--engine auto|native|js] [--rate 2000] [--snapshots 4]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Child, killChildren } from './children.js'
import type { FromCheck, FromLoad, FromServer, FromTwin, Evidence, ToLoad, ToServer } from './model.js'
import { MOST_NAMES } from './names.js'
import { createScreen } from './screen.js'
import { summarize } from './summary.js'

const USAGE = `usage: npm run demo -- [options]
  --entries N      records, 1,000 to ${MOST_NAMES.toLocaleString('en')}, or all (default 1,000,000)
  --engine NAME    auto, native or js (default auto)
  --rate N         requests a second, 100 to 20,000 (default 2,000)
  --snapshots N    snapshots while serving, 1 to 20 (default 4)
  --help
FORKSTORE_DEMO_NAMES=FILE takes the keys from a JSON array of strings, e.g. all of npm's package names.`

const BETWEEN_SNAPSHOTS_MS = 3_000
const TWIN_SNAPSHOTS = 3

function fail(message: string): never {
  console.error(`${message}\n${USAGE}`)
  process.exit(2)
}

function readOptions(): {
  entries: number
  engine: 'auto' | 'native' | 'js'
  rate: number
  snapshots: number
} {
  try {
    const { values } = parseArgs({
      options: {
        entries: { type: 'string', default: '1000000' },
        engine: { type: 'string', default: 'auto' },
        rate: { type: 'string', default: '2000' },
        snapshots: { type: 'string', default: '4' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    const integer = (name: string, text: string, least: number, most: number): number => {
      const number = text === 'all' ? most : Number(text.replaceAll(/[,_]/g, ''))
      if (Number.isInteger(number) && number >= least && number <= most) return number
      return fail(`--${name} must be a whole number from ${least} to ${most}`)
    }
    const { engine } = values
    if (engine !== 'auto' && engine !== 'native' && engine !== 'js')
      fail('--engine must be auto, native or js')
    return {
      engine,
      entries: integer('entries', values.entries, 1_000, MOST_NAMES),
      rate: integer('rate', values.rate, 100, 20_000),
      snapshots: integer('snapshots', values.snapshots, 1, 20),
    }
  } catch (error) {
    return fail((error as Error).message)
  }
}

const options = readOptions()
const { entries } = options
const folder = mkdtempSync(join(tmpdir(), 'forkstore-demo-'))
const screen = createScreen(entries)
// The pure JavaScript engine keeps everything on the V8 heap, whose limit must be raised for it.
const heapMegabytes = Math.max(2_048, Math.ceil((entries * 1_500) / 2 ** 20))

function tidyUp(): void {
  screen.close()
  killChildren()
  // A snapshot's child may be writing its last bytes.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => {
    tidyUp()
    process.exit(code)
  })
}

// Nothing here may run for ever: two minutes, and more for more records.
const limitMs = 120_000 + entries * 0.1 + options.snapshots * 5_000
setTimeout(() => {
  tidyUp()
  console.error(`the demo did not finish within ${Math.round(limitMs / 1000)} s`)
  process.exit(1)
}, limitMs).unref()

async function run(): Promise<boolean> {
  const data = join(folder, 'data')
  const server = new Child<FromServer, ToServer>(
    'server',
    { folder: data, engine: options.engine, entries },
    options.engine === 'native' ? 0 : heapMegabytes,
  )
  server.on('loading', ({ loaded, elapsedMs }) => screen.loading('load', loaded, elapsedMs))
  const { port, engine, warnings, liveBytes } = await server.next('ready')
  screen.ready(engine, liveBytes, warnings)

  const snapshots: Extract<FromServer, { type: 'snapshot' }>[] = []
  const load = new Child<FromLoad, ToLoad>('load', { port, entries, requestsPerSecond: options.rate })
  load.on('second', ({ second }) => screen.second(second))
  const report = load.next('report')
  await Promise.race([load.next('second'), report])
  for (let taken = 0; taken < options.snapshots; taken++) {
    // A load that ends early has something to tell: do not wait for it in vain.
    await Promise.race([sleep(BETWEEN_SNAPSHOTS_MS), report])
    screen.snapshotBegins()
    load.send({ type: 'snapshot-running', running: true })
    const done = server.next('snapshot')
    server.send({ type: 'snapshot' })
    const snapshot = await done
    load.send({ type: 'snapshot-running', running: false })
    snapshots.push(snapshot)
    screen.snapshotEnds(snapshot.result, snapshot.liveBytes)
  }
  await Promise.race([sleep(BETWEEN_SNAPSHOTS_MS / 2), report])

  load.send({ type: 'server-will-die' })
  await sleep(100)
  server.send({ type: 'die' })
  const { signal } = await server.exited
  screen.killed(signal)
  const { evidence, problems, duringSnapshots, otherwise } = await report

  const promisedWrites = snapshots.at(-1)!.writesBefore
  const check = new Child<FromCheck, Evidence>(
    'check',
    { folder: data, engine },
    engine === 'js' ? heapMegabytes : 0,
  )
  check.send({ ...evidence, promisedWrites })
  const { verdict } = await check.next('verdict')
  await check.exited

  const twin = new Child<FromTwin, never>(
    'twin',
    { folder: join(folder, 'twin'), entries, snapshots: TWIN_SNAPSHOTS },
    heapMegabytes,
  )
  twin.on('loading', ({ loaded, elapsedMs }) => screen.loading('twin', loaded, elapsedMs))
  const { pauseMs } = await twin.next('pauses')
  await twin.exited

  screen.close()
  const summary = summarize({
    promisedWrites,
    evidence,
    problems,
    duringSnapshots,
    otherwise,
    snapshots,
    verdict,
    twinPauseMs: pauseMs,
  })
  if (signal !== 'SIGKILL') summary.problems.push(`the server was to end by SIGKILL, not by ${signal}`)
  for (const line of summary.lines) console.log(line)
  for (const problem of summary.problems) console.log(`  PROBLEM  ${problem}`)
  console.log(summary.problems.length === 0 ? '  OK: everything that was promised came back' : '  FAILED')
  return summary.problems.length === 0
}

let good = false
try {
  good = await run()
} catch (error) {
  screen.close()
  console.error(error)
} finally {
  tidyUp()
}
process.exit(good ? 0 : 1)
