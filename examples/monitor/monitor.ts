/**
 * Checks many sites again and again, each at its own moment of the interval, and keeps what it finds in the store:
 * a restart forgets nothing, and any question about all sites is an expression (`summarize`).
 */
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { query, type Store } from 'forkstore'

export interface Site {
  status: 'unknown' | 'up' | 'down'
  /** Why it is down. */
  reason: string
  /** When the status or the reason changed. */
  changedAt: Date
  checks: number
  successes: number
  failuresInARow: number
  /** Of the last checks, oldest first; null: failed. */
  historyMs: (number | null)[]
}

export interface Root {
  sites: Record<string, Site>
}

export interface MonitorOptions {
  /** Between two checks of a site. */
  intervalMs?: number
  timeoutMs?: number
  historyLength?: number
  /** So many checks run at once at most. */
  concurrency?: number
}

export interface Summary {
  up: number
  down: number
  unknown: number
  /** Successes among all checks, 0 to 1. */
  uptime: number
  /** In checks. */
  longestOutage: number
}

const TICK_MS = 5

type Result = { ms: number } | { failure: string }

export class Monitor {
  readonly #store: Store<Root>
  readonly #urls: string[]
  readonly #intervalMs: number
  readonly #timeoutMs: number
  readonly #historyLength: number
  readonly #concurrency: number
  readonly #agent: Agent
  readonly #underWay = new Map<string, Promise<void>>()
  /** Checks that fell out because the one before was not over. */
  skipped = 0

  constructor(store: Store<Root>, urls: string[], options: MonitorOptions = {}) {
    this.#store = store
    this.#urls = urls
    this.#intervalMs = options.intervalMs ?? 60_000
    this.#timeoutMs = options.timeoutMs ?? 5_000
    this.#historyLength = options.historyLength ?? 20
    this.#concurrency = options.concurrency ?? 500
    this.#agent = new Agent({ keepAlive: true, maxSockets: this.#concurrency })

    const { root } = store
    root.sites ??= {}
    for (const url of urls) {
      root.sites[url] ??= {
        status: 'unknown',
        reason: '',
        changedAt: new Date(),
        checks: 0,
        successes: 0,
        failuresInARow: 0,
        historyMs: [],
      }
    }
  }

  /** Checks until so much time has passed; resolves when the last checks are over. */
  async run(durationMs: number): Promise<void> {
    const start = performance.now()
    const gapMs = this.#intervalMs / this.#urls.length
    let next = 0
    for (let elapsed = 0; elapsed < durationMs; elapsed = performance.now() - start) {
      while (next * gapMs <= elapsed && this.#underWay.size < this.#concurrency) {
        this.#begin(this.#urls[next++ % this.#urls.length]!)
      }
      await sleep(TICK_MS)
    }
    await Promise.all(this.#underWay.values())
    this.#agent.destroy()
  }

  summarize(): Summary {
    const summary = { up: 0, down: 0, unknown: 0, uptime: 1, longestOutage: 0 }
    let checks = 0
    let successes = 0
    query(this.#store.root.sites!).forEach((site) => {
      summary[site.status]++
      checks += site.checks
      successes += site.successes
      summary.longestOutage = Math.max(summary.longestOutage, site.failuresInARow)
    })
    return { ...summary, uptime: checks === 0 ? 1 : successes / checks }
  }

  #begin(url: string): void {
    if (this.#underWay.has(url)) {
      this.skipped++
      return
    }
    const check = this.#ask(url).then((result) => {
      this.#underWay.delete(url)
      this.#keep(url, result)
    })
    this.#underWay.set(url, check)
  }

  #ask(url: string): Promise<Result> {
    return new Promise((resolve) => {
      const start = performance.now()
      const request = get(url, { agent: this.#agent, timeout: this.#timeoutMs }, (response) => {
        const { statusCode = 0 } = response
        response.on('end', () => {
          if (statusCode >= 400) resolve({ failure: `status ${statusCode}` })
          else resolve({ ms: Math.round((performance.now() - start) * 10) / 10 })
        })
        response.on('error', () => resolve({ failure: 'connection lost' }))
        response.resume()
      })
      request.on('timeout', () => {
        resolve({ failure: 'no answer' })
        request.destroy()
      })
      request.on('error', () => resolve({ failure: 'connection lost' }))
    })
  }

  /** All of it or, should it fail, nothing. */
  #keep(url: string, result: Result): void {
    const isUp = 'ms' in result
    const status = isUp ? 'up' : 'down'
    const reason = isUp ? '' : result.failure
    this.#store.transaction(() => {
      const site = this.#store.root.sites![url]!
      if (site.status !== status || site.reason !== reason) {
        site.changedAt = new Date()
        Object.assign(site, { status, reason })
      }
      site.checks++
      if (isUp) site.successes++
      site.failuresInARow = isUp ? 0 : site.failuresInARow + 1
      site.historyMs.push(isUp ? result.ms : null)
      if (site.historyMs.length > this.#historyLength) site.historyMs.shift()
    })
  }
}
