/**
 * The internet, in one HTTP server: `/sites/<number>` answers for that site, quickly or slowly, with an error, by
 * cutting the connection, or never. What happens is decided by a seed and how often the site was asked, so the
 * fake knows what a monitor has to think of each site.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Site } from './monitor.js'

export type Outcome = 'ok' | 'status 503' | 'connection lost' | 'no answer'

/** What a site did, from its side. */
interface Record {
  outcomes: Outcome[]
  latenciesMs: number[]
  /** When a request came whose outcome is unlike that of the one before. */
  changedAt: number
}

export interface FakeSites {
  /** In the order of their numbers. */
  urls: string[]
  /** How many requests came. */
  requests(): number
  /** What is wrong with these states; they are to be of the moment when no check is under way. */
  disagreements(sites: Iterable<[url: string, site: Site]>, historyLength: number): string[]
  close(): Promise<void>
}

/** From 0 to 1, the same for the same numbers (the mixing of MurmurHash3). */
function chance(...numbers: number[]): number {
  let hash = 0
  for (const number of numbers) {
    hash = Math.imul(hash ^ number, 0x85ebca6b)
    hash ^= hash >>> 13
    hash = Math.imul(hash, 0xc2b2ae35)
    hash ^= hash >>> 16
  }
  return (hash >>> 0) / 2 ** 32
}

/** A site that is well rarely falls ill; one that is ill stays so for some checks. */
function outcomeOf(seed: number, site: number, check: number, before: Outcome | undefined): Outcome {
  const wasWell = before === undefined || before === 'ok'
  if (chance(seed, site, check, 1) > (wasWell ? 0.03 : 0.6)) return wasWell ? 'ok' : before
  if (!wasWell) return 'ok'
  const kind = chance(seed, site, check, 2)
  return kind < 0.6 ? 'status 503' : kind < 0.9 ? 'connection lost' : 'no answer'
}

/** Of answers: each site has a speed of its own, and one in fifty takes much longer. */
function latencyOf(seed: number, site: number, check: number): number {
  const usual = 1 + 40 * chance(seed, site, 3) ** 3
  return chance(seed, site, check, 4) < 0.02 ? usual + 200 : usual + 5 * chance(seed, site, check, 5)
}

export async function serveFakeSites(count: number, seed: number): Promise<FakeSites> {
  const records = Array.from(
    { length: count },
    (): Record => ({ outcomes: [], latenciesMs: [], changedAt: 0 }),
  )
  let requests = 0

  const server = createServer((request, response) => {
    const site = Number(/^\/sites\/(\d+)$/.exec(request.url ?? '')?.[1])
    const record = records[site]
    if (record === undefined) {
      response.writeHead(404).end()
      return
    }
    requests++
    const check = record.outcomes.length
    const before = record.outcomes.at(-1)
    const outcome = outcomeOf(seed, site, check, before)
    const latency = latencyOf(seed, site, check)
    if (outcome !== before) record.changedAt = Date.now()
    record.outcomes.push(outcome)
    record.latenciesMs.push(latency)
    if (outcome === 'connection lost') request.socket.destroy()
    else if (outcome !== 'no answer') {
      setTimeout(() => response.writeHead(outcome === 'ok' ? 200 : 503).end(), latency)
    }
  })
  server.keepAliveTimeout = 0 // or a kept connection may be cut while a request is on its way
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const urls = records.map((_, site) => `http://127.0.0.1:${port}/sites/${site}`)

  return {
    urls,
    requests: () => requests,
    disagreements(sites, historyLength) {
      const problems: string[] = []
      const states = new Map(sites)
      if (states.size !== count) problems.push(`${states.size} sites, not ${count}`)
      records.forEach((record, index) => {
        const site = states.get(urls[index]!)
        if (site === undefined) problems.push(`site ${index} is missing`)
        else problems.push(...compare(record, site, historyLength).map((text) => `site ${index}: ${text}`))
      })
      return problems
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function compare({ outcomes, latenciesMs, changedAt }: Record, site: Site, historyLength: number): string[] {
  const problems: string[] = []
  const expect = (what: string, actual: unknown, expected: unknown): void => {
    if (actual !== expected) problems.push(`${what} is ${String(actual)}, not ${String(expected)}`)
  }
  const last = outcomes.at(-1)
  expect('status', site.status, last === undefined ? 'unknown' : last === 'ok' ? 'up' : 'down')
  expect('reason', site.reason, last === undefined || last === 'ok' ? '' : last)
  expect('checks', site.checks, outcomes.length)
  expect('successes', site.successes, outcomes.filter((each) => each === 'ok').length)
  expect('failures in a row', site.failuresInARow, outcomes.length - 1 - outcomes.lastIndexOf('ok'))
  const pattern = (ok: boolean[]): string => ok.map((each) => (each ? '+' : '-')).join('')
  expect(
    'history',
    pattern(site.historyMs.map((ms) => ms !== null)),
    pattern(outcomes.slice(-historyLength).map((each) => each === 'ok')),
  )
  const newest = site.historyMs.at(-1)
  // Timers round to whole milliseconds.
  if (typeof newest === 'number' && newest < latenciesMs.at(-1)! - 2)
    problems.push(`answered in ${newest} ms`)
  if (last !== undefined && site.changedAt.getTime() < changedAt) problems.push('changed before the site did')
  return problems
}
