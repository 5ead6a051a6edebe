/** A player's end of the socket, and a robot that plays with it. */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { Move, TableView } from './table.js'

interface Answer {
  token?: string
  error?: string
}

export class PokerClient {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #lastId = 0
  /** The table as it was last shown. */
  table: TableView | undefined
  isClosed = false
  onTable: (table: TableView) => void = () => {}
  onClose: () => void = () => {}

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as { type: string; id: number; table: TableView } & Answer
      if (message.type === 'table') {
        this.table = message.table
        this.onTable(message.table)
      } else {
        this.#waiting.get(message.id)?.(message)
        this.#waiting.delete(message.id)
      }
    })
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      for (const resolve of this.#waiting.values()) resolve({ error: 'the connection is lost' })
      this.#waiting.clear()
      this.isClosed = true
      this.onClose()
    })
  }

  static async connect(url: string): Promise<PokerClient> {
    const socket = new WebSocket(url)
    const client = new PokerClient(socket)
    await once(socket, 'open')
    return client
  }

  /** What the server answers; a refused move is an answer with an `error`. */
  ask(request: Move | { type: 'leave' } | { type: 'sit'; name: string; token?: string }): Promise<Answer> {
    if (this.#socket.readyState !== WebSocket.OPEN)
      return Promise.resolve({ error: 'the connection is lost' })
    return new Promise((resolve) => {
      const id = ++this.#lastId
      this.#waiting.set(id, resolve)
      this.#socket.send(JSON.stringify({ id, ...request }))
    })
  }

  close(): void {
    this.#socket.close()
  }
}

export interface Robot {
  client: PokerClient
  token: string | undefined
  moves: number
  refused: number
}

/**
 * Plays at random, and sometimes against the rules: out of turn, with chips that it has not, or by getting up in
 * the middle of a hand.
 */
export async function startRobot(
  url: string,
  name: string,
  random: () => number,
  token?: string,
): Promise<Robot> {
  const client = await PokerClient.connect(url)
  const robot: Robot = { client, token, moves: 0, refused: 0 }
  let busy = false
  let isKnown = false

  async function play(table: TableView): Promise<void> {
    const seat = table.seats.find((each) => each?.name === name)
    if (seat === undefined || !isKnown) {
      if (seat !== undefined || table.seats.includes(null)) await sit()
    } else if (random() < 0.01) {
      await tell({ type: 'leave' })
    } else if (isMyTurn(table) || random() < 0.05) {
      await tell(randomMove(table.raiseLimit, random))
    }
  }

  /** Also to come back to a seat that is still ours after a restart. */
  async function sit(): Promise<void> {
    const { token } = robot
    const answer = await client.ask({ type: 'sit', name, ...(token === undefined ? {} : { token }) })
    robot.token ??= answer.token
    isKnown = answer.error === undefined
  }

  async function tell(move: Move | { type: 'leave' }): Promise<void> {
    const { error } = await client.ask(move)
    if (error === undefined) robot.moves++
    else robot.refused++
  }

  function look(): void {
    const seen = client.table
    if (busy || client.isClosed || seen === undefined) return
    busy = true
    void play(seen).then(() => {
      busy = false
      // Refused, or the table has changed while we waited for the answer: look again.
      if (client.table !== seen || isMyTurn(client.table)) setImmediate(look)
    })
  }

  function isMyTurn(table: TableView | undefined): boolean {
    return table !== undefined && table.seats[table.turn]?.name === name
  }

  client.onTable = look
  look()
  return robot
}

function randomMove(raiseLimit: number, random: () => number): Move {
  const what = random()
  if (what < 0.15) return { type: 'fold' }
  if (what < 0.7) return { type: 'call' }
  // Often too little, sometimes too much, sometimes no number of chips at all.
  const to = Math.floor(random() * 1.2 * raiseLimit) + (random() < 0.1 ? 0.5 : 0)
  return { type: 'raise', to: random() < 0.05 ? -to : to }
}
