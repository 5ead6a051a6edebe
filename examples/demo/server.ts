/**
 * The server of the demo: HTTP in front, the store inside. This is the part that an application would
 * write; the rest of the folder loads it, kills it and checks it.
 *
 *     GET  /package/:name            the record
 *     POST /package/:name/download   counts a download -> { number, downloads }
 *     GET  /top                      the ten most downloaded packages
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { open } from 'forkstore'
import { loadRecords } from './load-records.js'
import {
  PACKAGES,
  TOP,
  TOP_SIZE,
  TOTALS,
  type FromServer,
  type Package,
  type ServerOptions,
  type ToServer,
} from './model.js'
import { startRole } from './role.js'

const role = startRole<ServerOptions, ToServer, FromServer>()
const { folder, engine, entries } = role.options

// Snapshots are asked for by the demo, so that it knows what each of them must hold.
const store = await open(folder, { engine, snapshot: false, durability: 'snapshot' })
const warnings: string[] = []
store.on('warning', (warning) => warnings.push(warning.message))
const packages = store.map<string, Package>(PACKAGES)
const totals = store.map<string, { count: number }>(TOTALS)
const top = store.map<string, { downloads: number }>(TOP)
totals.set('downloads', { count: 0 })

/** Counts a download. It happens within one turn of the event loop: a snapshot has all of it or nothing. */
function download(name: string): { number: number; downloads: number } {
  const downloads = packages.increment(name, 'downloads')
  const number = totals.increment('downloads', 'count')
  if (top.has(name)) {
    top.set(name, { downloads })
  } else if (top.size < TOP_SIZE) {
    top.set(name, { downloads })
  } else {
    let least = { name: '', downloads: Infinity }
    for (const [other, { downloads: count }] of top) {
      if (count < least.downloads) least = { name: other, downloads: count }
    }
    if (downloads > least.downloads) {
      top.delete(least.name)
      top.set(name, { downloads })
    }
  }
  return { number, downloads }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** undefined: it is no encoding of anything, such as `%ff`. */
function decoded(name: string): string | undefined {
  try {
    return decodeURIComponent(name)
  } catch {
    return undefined
  }
}

const server = createServer((request, response) => {
  request.resume()
  const [, collection, encodedName, action] = (request.url ?? '').split('/')
  if (collection === 'top' && request.method === 'GET') {
    const rows = Array.from(top, ([name, { downloads }]) => ({ name, downloads }))
    return answer(
      response,
      200,
      rows.sort((a, b) => b.downloads - a.downloads),
    )
  }
  if (collection !== 'package' || encodedName === undefined) return answer(response, 404, null)
  const name = decoded(encodedName)
  if (name === undefined) return answer(response, 400, null)
  const record = packages.get(name)
  if (record === undefined) return answer(response, 404, null)
  if (action === undefined && request.method === 'GET') return answer(response, 200, record)
  if (action === 'download' && request.method === 'POST') return answer(response, 200, download(name))
  return answer(response, 405, null)
})

// An engine that holds the event loop for longer than this (5 s unless told otherwise) would make the server
// take its busy connections for idle ones and reset them.
server.keepAliveTimeout = 120_000

async function snapshot(): Promise<void> {
  const writesBefore = totals.get('downloads')!.count
  const result = await store.snapshot()
  await role.send({ type: 'snapshot', result, writesBefore, liveBytes: store.stats().bytes.live })
}

async function dieDuringSnapshot(): Promise<void> {
  await role.send({ type: 'dying' })
  store.snapshot().catch(() => {})
  await sleep(30)
  process.kill(process.pid, 'SIGKILL')
}

role.receive((message) => {
  if (message.type === 'snapshot') void snapshot()
  else void dieDuringSnapshot()
})

await loadRecords(
  packages,
  entries,
  (loaded, elapsedMs) => void role.send({ type: 'loading', loaded, elapsedMs }),
)
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const stats = store.stats()
await role.send({
  type: 'ready',
  port: (server.address() as AddressInfo).port,
  engine: stats.engine,
  warnings,
  liveBytes: stats.bytes.live,
})
