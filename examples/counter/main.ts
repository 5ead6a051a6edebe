/**
 * A counter that everybody shares, served over HTTP: nothing is lost between concurrent requests, and
 * nothing is lost in a restart.
 *
 *     npx tsx examples/counter/main.ts [--engine native|js|auto] [--increments 10000]
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { open, type OpenOptions } from 'forkstore'

interface Counter {
  count: number
}

export interface CounterServer {
  url: string
  close(): Promise<void>
}

/** `GET /` tells the count, `POST /` adds one and tells the new count, both as text. */
export async function serveCounter(path: string, options: OpenOptions = {}): Promise<CounterServer> {
  const store = await open(path, options)
  const counters = store.map<string, Counter>('counters')
  counters.getOrInsert('visits', { count: 0 })

  const server: Server = createServer((incoming, response) => {
    incoming.resume()
    const count =
      incoming.method === 'POST' ? counters.increment('visits', 'count') : counters.get('visits')!.count
    response.end(String(count))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      await store.close() // the last snapshot: what was counted since the one before is kept, too
    },
  }
}

function send(method: 'GET' | 'POST', url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('end', () => resolve(Number(text)))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** Sends that many increments over 50 connections at once; returns the counts that were answered. */
export async function incrementConcurrently(url: string, increments: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 })
  try {
    return await Promise.all(Array.from({ length: increments }, () => send('POST', url, agent)))
  } finally {
    agent.destroy()
  }
}

export async function readCount(url: string): Promise<number> {
  const agent = new Agent()
  return send('GET', url, agent)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string', default: 'auto' },
      increments: { type: 'string', default: '10000' },
    },
  })
  const options = { engine: values.engine } as OpenOptions
  const increments = Number(values.increments)
  const folder = await mkdtemp(join(tmpdir(), 'forkstore-counter-'))
  try {
    const first = await serveCounter(join(folder, 'data'), options)
    const answers = await incrementConcurrently(first.url, increments)
    const count = await readCount(first.url)
    const distinct = new Set(answers).size
    await first.close()

    const second = await serveCounter(join(folder, 'data'), options)
    const afterRestart = await readCount(second.url)
    await second.close()

    console.log(`${increments} concurrent increments; ${distinct} different answers; count ${count}`)
    console.log(`after a restart: ${afterRestart}`)
    if (count !== increments || distinct !== increments || afterRestart !== increments) process.exitCode = 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
