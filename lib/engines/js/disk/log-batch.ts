import { crc32 } from 'node:zlib'
import { endLine } from './log-file.js'

const CHUNK_CHARACTERS = 2 ** 20

/** The batch of the turn that has not ended yet: lines of operations. */
export class OpenBatch {
  #lines: string[] = []
  /** The length of these lines in UTF-16 units, which is close enough to bytes. */
  #size = 0
  /** Of the lines that have been taken. */
  #crc = 0
  #isTaken = false

  /** What waits here, in bytes, about. */
  get size(): number {
    return this.#size
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0 && !this.#isTaken
  }

  /** Lines that are here. */
  get length(): number {
    return this.#lines.length
  }

  add(line: string): void {
    this.#lines.push(line)
    this.#size += line.length
  }

  /** Forgets what was added since there were so many lines. */
  rollbackTo(length: number): void {
    while (this.#lines.length > length) this.#size -= this.#lines.pop()!.length
  }

  /** The lines that are here, as bytes; they can be taken back no more. */
  take(): Buffer[] {
    for (const line of this.#lines) this.#crc = crc32(line, this.#crc)
    this.#isTaken = true
    const chunks = joined(this.#lines)
    this.#lines = []
    this.#size = 0
    return chunks
  }

  /** As `take`, and the end of the batch. What is added from then on belongs to the next one. */
  end(sequence: number, durable: number): Buffer[] {
    for (const line of this.#lines) this.#crc = crc32(line, this.#crc)
    const chunks = joined([...this.#lines, endLine(sequence, durable, this.#crc)])
    this.drop()
    return chunks
  }

  drop(): void {
    this.#lines = []
    this.#size = 0
    this.#crc = 0
    this.#isTaken = false
  }
}

/** In pieces, since all of it may be longer than a string can be; a small batch is one. */
function joined(lines: readonly string[]): Buffer[] {
  const chunks: Buffer[] = []
  let text = ''
  for (const line of lines) {
    if (text.length + line.length > CHUNK_CHARACTERS && text !== '') {
      chunks.push(Buffer.from(text))
      text = ''
    }
    text += line
  }
  if (text !== '') chunks.push(Buffer.from(text))
  return chunks
}
