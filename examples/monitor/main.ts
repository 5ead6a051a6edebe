/**
 * Watches tens of thousands of sites from one process, each once a minute; the sites are a fake that knows what
 * the monitor has to find out. Stops by itself, and says whether all of it is right.
 *
 *     npx tsx examples/monitor/main.ts [--sites 20000] [--minutes 2] [--interval-seconds 60] [--engine native|js|auto]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { open, type OpenOptions } from 'forkstore'
import { serveFakeSites } from './fake-sites.js'
import { Monitor, type Root } from './monitor.js'

const HISTORY_LENGTH = 20

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      sites: { type: 'string', default: '20000' },
      minutes: { type: 'string', default: '2' },
      'interval-seconds': { type: 'string', default: '60' },
      engine: { type: 'string', default: 'auto' },
    },
  })
  const sites = Number(values.sites)
  const durationMs = Number(values.minutes) * 60_000
  const intervalMs = Number(values['interval-seconds']) * 1_000
  const engine = values.engine as OpenOptions['engine'] & string
  const folder = await mkdtemp(join(tmpdir(), 'forkstore-monitor-'))
  try {
    const fake = await serveFakeSites(sites, Date.now())
    const store = await open<Root>(join(folder, 'data'), { engine, snapshot: { everyMs: 10_000 } })
    let snapshots = 0
    store.on('snapshot', () => snapshots++)
    const monitor = new Monitor(store, fake.urls, { intervalMs, historyLength: HISTORY_LENGTH })
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()

    const show = (): string => {
      const { up, down, unknown, uptime, longestOutage } = monitor.summarize()
      return (
        `${fake.requests()} checks: ${up} up, ${down} down, ${unknown} unknown; ` +
        `uptime ${(100 * uptime).toFixed(2)} %; longest outage ${longestOutage} checks; ${snapshots} snapshots`
      )
    }
    const live = process.stdout.isTTY
    const timer = setInterval(() => process.stdout.write(live ? `\r\x1b[K${show()}` : `${show()}\n`), 1_000)
    await monitor.run(durationMs)
    clearInterval(timer)
    console.log(`${live ? '\r\x1b[K' : ''}${show()}`)
    console.log(`the event loop was held for ${Math.round(delay.max / 1e6)} ms at most`)
    const found = fake.disagreements(Object.entries(store.root.sites!), HISTORY_LENGTH)
    await store.close()

    // What was found out is still known after a restart.
    const again = await open<Root>(join(folder, 'data'), { engine })
    const kept = fake.disagreements(Object.entries(again.root.sites!), HISTORY_LENGTH)
    await again.close()
    await fake.close()
    for (const problem of [...found, ...kept].slice(0, 10)) console.log(`WRONG: ${problem}`)
    const isRight = found.length + kept.length === 0
    console.log(isRight ? 'right about every site, also after a restart' : 'FAILED')
    if (!isRight) process.exitCode = 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
