import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { open, type Engine, type Store } from './lib/forkstore.js'
import { turn } from './lib/machine.js'
import { keyOf, recordOf, type Customer } from './lib/records.js'

/** What the load generator tells the server to do; each is answered with one message. */
export type Command = 'snapshot' | 'close'

export interface Ready {
  port: number
}

/** When a snapshot ran, on the clock that both processes share (CLOCK_MONOTONIC), and what it held up. */
export interface SnapshotTimes {
  startMs: number
  endMs: number
  pauseMs: number
  forkMs: number
}

/** Milliseconds on the clock of the machine, not of the process. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** `GET /7` answers with customer 7 and counts the visit: a read and a write for each request. */
export async function serve(folder: string, entries: number, engine: Engine): Promise<void> {
  const store = await open(folder, { engine, snapshot: false, durability: 'snapshot' })
  const customers = store.map<string, Customer>('customers')
  for (let i = 0; i < entries; i++) {
    customers.set(keyOf(i), recordOf(i))
    if (i % 10_000 === 0) await turn()
  }
  const server = createServer((request, response) => {
    const key = keyOf(Number(request.url?.slice(1)))
    const customer = customers.get(key)
    if (customer === undefined) {
      response.writeHead(404).end()
      return
    }
    customers.increment(key, 'visits')
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(customer))
  })
  server.listen(0, '127.0.0.1', () => {
    process.send?.({ port: (server.address() as AddressInfo).port } satisfies Ready)
  })
  await new Promise<void>((resolve, reject) => {
    process.on('message', (command: Command) => {
      if (command === 'snapshot') {
        snapshot(store).catch(reject)
        return
      }
      server.closeAllConnections()
      server.close()
      resolve(store.close())
    })
  })
}

async function snapshot(store: Store): Promise<void> {
  const startMs = sharedNow()
  const { pauseMs, forkMs } = await store.snapshot()
  process.send?.({ startMs, endMs: sharedNow(), pauseMs, forkMs } satisfies SnapshotTimes)
}
