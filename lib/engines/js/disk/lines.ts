import { constants } from 'node:buffer'
import { readChunks } from './disk.js'

/** The longest line that can have been written: it was a string, of at most 3 bytes for each unit. */
const MOST_BYTES = 3 * constants.MAX_STRING_LENGTH

/**
 * The lines of a file, each with its "\n" (the last one may lack it), and where they begin. Of one that
 * nobody has written, with a zero byte or longer than a line can be, only the beginning is given, without
 * "\n", and at once: a hole of a sparse file takes no memory.
 */
export function* readLines(path: string): Generator<{ offset: number; bytes: Buffer }, undefined> {
  let rest: Buffer[] = []
  let restBytes = 0
  let isGiven = false
  let offset = 0
  let position = 0
  for (const chunk of readChunks(path)) {
    for (let start = 0; start < chunk.length; ) {
      const found = chunk.indexOf(10, start)
      const isEnd = found >= 0
      const piece = chunk.subarray(start, isEnd ? found + 1 : chunk.length)
      start += piece.length
      position += piece.length
      if (!isGiven) {
        rest.push(isEnd ? piece : Buffer.from(piece))
        restBytes += piece.length
        if (piece.includes(0) || restBytes > MOST_BYTES) {
          isGiven = true
          yield { offset, bytes: withoutEnd(Buffer.concat(rest)) }
        } else if (isEnd) {
          yield { offset, bytes: Buffer.concat(rest) }
        }
      }
      if (isGiven || isEnd) {
        rest = []
        restBytes = 0
      }
      if (isEnd) {
        offset = position
        isGiven = false
      }
    }
  }
  if (rest.length > 0) yield { offset, bytes: Buffer.concat(rest) }
  return undefined
}

export function isWholeLine(bytes: Buffer): boolean {
  return bytes[bytes.length - 1] === 10
}

function withoutEnd(bytes: Buffer): Buffer {
  return isWholeLine(bytes) ? bytes.subarray(0, -1) : bytes
}
