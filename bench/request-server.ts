import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { openBackend, type Backend } from './backends/backend.js'
import type { Case, Options } from './lib/benchmark.js'
import { sharedNow } from './lib/clock.js'
import { serveCommands } from './lib/partner.js'
import { UsageMeter, type Usage } from './lib/usage.js'

/** First no snapshot, then one after the other. */
export interface WindowCommand {
  quietMs: number
  busyMs: number
}

/** On the shared clock. */
export interface SnapshotTimes {
  startMs: number
  endMs: number
  pauseMs: number
  strategy?: string
}

/** Of a window; answered when its last snapshot has ended. */
export interface Window {
  busyStartMs: number
  quiet: Usage
  busy: Usage
  snapshots: SnapshotTimes[]
}

export interface ServerReady {
  port: number
}

/** `GET /7` answers with record 7, `POST` counts a visit, `PATCH` counts and changes another field. */
export async function serve(one: Case, folder: string, options: Options): Promise<void> {
  const backend = await openBackend(one, folder, options)
  await backend.fill()
  const server = createServer(listenerOf(backend))
  // Connections rest while the last snapshot ends, and one of them may not have been used yet.
  server.keepAliveTimeout = server.headersTimeout = server.requestTimeout = 0
  server.listen(0, '127.0.0.1', () => {
    process.send?.({ port: (server.address() as AddressInfo).port } satisfies ServerReady)
  })
  const meter = new UsageMeter()
  await serveCommands<WindowCommand>((command) => window(backend, meter, command))
  server.closeAllConnections()
  server.close()
  await backend.close()
}

function listenerOf(backend: Backend): RequestListener {
  const operations: Record<string, (number: number) => string | Promise<string>> = {
    GET: (number) => backend.read(number),
    POST: (number) => backend.increment(number),
    PATCH: (number) => backend.patch(number),
  }
  return ({ method = '', url = '' }, response) => {
    const answer = operations[method]!(Number(url.slice(1)))
    if (typeof answer === 'string') send(response, answer)
    else answer.then((text) => send(response, text))
  }
}

function send(response: ServerResponse, text: string): void {
  response.setHeader('content-type', 'application/json')
  response.end(text)
}

async function window(
  backend: Backend,
  meter: UsageMeter,
  { quietMs, busyMs }: WindowCommand,
): Promise<Window> {
  meter.start()
  await sleep(quietMs)
  const quiet = meter.read()
  const busyStartMs = sharedNow()
  const snapshots: SnapshotTimes[] = []
  meter.start()
  const over = sleep(busyMs).then(() => meter.read())
  while (backend.snapshot !== undefined && sharedNow() < busyStartMs + busyMs) {
    const startMs = sharedNow()
    const saved = await backend.snapshot()
    snapshots.push({ startMs, endMs: sharedNow(), ...saved })
  }
  return { busyStartMs, quiet, busy: await over, snapshots }
}
