import { connect, type Socket } from 'node:net'
import { once } from 'node:events'

/** Enough for a response of the benchmark; longer ones come in parts. */
const bufferBytes = 16_384

const lengthPattern = /\r\ncontent-length: (\d+)\r\n/i

/**
 * A connection of HTTP/1.1 that is kept open, one request at a time. It does no more than the benchmark needs, and
 * reads into one buffer: a client that makes more garbage has tails of its own.
 */
export class Connection {
  readonly #socket: Socket
  #text = ''
  #answered: ((status: string) => void) | undefined

  private constructor(port: number) {
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(bufferBytes),
        callback: (bytes, buffer) => this.#read((buffer as Buffer).toString('latin1', 0, bytes)),
      },
    })
  }

  static async open(port: number): Promise<Connection> {
    const connection = new Connection(port)
    await once(connection.#socket, 'connect')
    return connection
  }

  /** Without a body. `answered` gets the status line when all of the response is there. */
  send(method: string, path: string, answered: (status: string) => void): void {
    this.#answered = answered
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 'latin1')
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(text: string): boolean {
    this.#text = this.#text === '' ? text : this.#text + text
    const headEnd = this.#text.indexOf('\r\n\r\n')
    if (headEnd < 0) return true
    const length = lengthPattern.exec(this.#text)?.[1]
    if (length === undefined) throw new Error(`a response without a length: ${this.#text}`)
    if (this.#text.length < headEnd + 4 + Number(length)) return true
    const status = this.#text.slice(0, this.#text.indexOf('\r\n'))
    const answered = this.#answered
    this.#text = ''
    this.#answered = undefined
    if (answered === undefined) throw new Error('a response to no request')
    answered(status)
    return true
  }
}
