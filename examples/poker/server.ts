/**
 * The table behind WebSockets. Each move is one transaction: it happens whole or, when a rule forbids it, not
 * at all.
 *
 * A client sends `{ id, type: 'sit', name, token? }`, `{ id, type: 'fold' | 'call' | 'leave' }` or
 * `{ id, type: 'raise', to }`, and is answered `{ type: 'answer', id, error?, token? }`. After every change all get
 * `{ type: 'table', table }`: what each may see. The token is needed to come back under the same name.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { open, type OpenOptions } from 'forkstore'
import { WebSocketServer, type WebSocket } from 'ws'
import * as rules from './table.js'

export interface PokerOptions extends OpenOptions {
  port?: number
  /** Who does not move for so long has folded. */
  turnMs?: number
  /** Between two hands. */
  pauseMs?: number
}

export interface PokerServer {
  url: string
  root: rules.Root
  close(): Promise<void>
}

export async function servePoker(path: string, options: PokerOptions = {}): Promise<PokerServer> {
  const { port = 0, turnMs = 30_000, pauseMs = 5_000, ...openOptions } = options
  const store = await open<rules.Root>(path, openOptions)
  store.transaction(() => rules.setUp(store.root))
  const root = store.root as rules.Root // now that it is set up

  const server = new WebSocketServer({ host: '127.0.0.1', port, maxPayload: 1_000 })
  await once(server, 'listening')
  /** Everybody who looks on; the name of those who play. */
  const sockets = new Map<WebSocket, string | undefined>()
  let timer: NodeJS.Timeout | undefined
  let closing = false

  /** Everybody sees the table, and it goes on by itself when nobody does anything. */
  function changed(): void {
    for (const [socket, name] of sockets) send(socket, { type: 'table', table: rules.viewFor(root, name) })
    clearTimeout(timer)
    if (rules.canDeal(root)) timer = setTimeout(change, pauseMs, () => rules.deal(root, randomInt))
    else if (root.table.turn >= 0) timer = setTimeout(timeIsUp, turnMs)
  }

  function change(move: () => void): void {
    store.transaction(move)
    changed()
  }

  function timeIsUp(): void {
    const { name } = root.table.seats[root.table.turn]!
    const isHere = [...sockets.values()].includes(name)
    change(() => (isHere ? rules.act(root, name, { type: 'fold' }) : rules.leave(root, name)))
  }

  function execute(socket: WebSocket, request: Record<string, unknown>): { token?: string } {
    if (request.type === 'sit') {
      const { name, token = randomUUID() } = request
      if (typeof name !== 'string' || name === '' || name.length > 20 || typeof token !== 'string')
        throw new rules.IllegalMove('a name has 1 to 20 characters')
      if ((sockets.get(socket) ?? name) !== name) throw new rules.IllegalMove('you have another name')
      store.transaction(() => rules.sit(root, name, token))
      sockets.set(socket, name)
      return { token }
    }
    const name = sockets.get(socket)
    if (name === undefined) throw new rules.IllegalMove('sit down first')
    const { type, to } = request
    store.transaction(() => {
      if (type === 'leave') rules.leave(root, name)
      else if (type === 'fold' || type === 'call') rules.act(root, name, { type })
      else if (type === 'raise' && typeof to === 'number') rules.act(root, name, { type, to })
      else throw new rules.IllegalMove('no such move')
    })
    if (type === 'leave') sockets.set(socket, undefined)
    return {}
  }

  server.on('connection', (socket) => {
    sockets.set(socket, undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.terminate())
    socket.on('message', (data) => {
      if (closing) return
      const request = parse(String(data))
      const id = request?.id
      try {
        if (request === undefined) throw new rules.IllegalMove('this is no JSON object')
        const answer = execute(socket, request)
        send(socket, { type: 'answer', id, ...answer })
        changed()
      } catch (error) {
        if (!(error instanceof rules.IllegalMove)) throw error
        send(socket, { type: 'answer', id, error: error.message })
      }
    })
    send(socket, { type: 'table', table: rules.viewFor(root, undefined) })
  })
  changed() // a hand that a crash or a restart has interrupted goes on

  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    root,
    async close() {
      closing = true
      clearTimeout(timer)
      for (const socket of sockets.keys()) socket.terminate()
      server.close()
      await once(server, 'close')
      await store.close()
    },
  }
}

function send(socket: WebSocket, message: object): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message))
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
