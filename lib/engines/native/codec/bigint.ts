/**
 * Bigints as bytes; docs/format.md, sections 1 and 2. By way of hexadecimal digits, which V8 makes and reads
 * in linear time.
 */

import type { OperationBuffer } from './operation-buffer.js'

/** Writes the body of a BIGINT value at `start`, a multiple of 8; returns where it ends. */
export function writeBigintBody(operation: OperationBuffer, value: bigint, start: number): number {
  const negative = value < 0n
  const digits = value === 0n ? '' : (negative ? -value : value).toString(16)
  const words64 = Math.ceil(digits.length / 16)
  const end = start + 8 + 8 * words64
  operation.reserve(end)
  const words = operation.words
  words[start >> 2] = words64
  words[(start >> 2) + 1] = negative ? 1 : 0
  let to = (start >> 2) + 2
  for (let last = digits.length; to < end >> 2; last -= 8) {
    words[to++] = last > 0 ? parseInt(digits.slice(Math.max(0, last - 8), last), 16) : 0
  }
  return end
}

/** Reads the body of a BIGINT value at `start`. */
export function readBigintBody(words: Int32Array, start: number): bigint {
  const word = start >> 2
  const words64 = words[word] as number
  if (words64 === 0) return 0n
  const parts: string[] = ['0x']
  for (let at = word + 2 * words64 + 1; at > word + 1; at--) {
    parts.push(((words[at] as number) >>> 0).toString(16).padStart(8, '0'))
  }
  const magnitude = BigInt(parts.join(''))
  return words[word + 1] === 0 ? magnitude : -magnitude
}

/** Writes a bigint key at `start`; returns how many bytes it takes. */
export function writeBigintKey(operation: OperationBuffer, key: bigint, start: number): number {
  const negative = key < 0n
  let digits = key === 0n ? '' : (negative ? -key : key).toString(16)
  if (digits.length & 1) digits = `0${digits}`
  const length = 1 + digits.length / 2
  operation.reserveAny(start + length)
  const bytes = operation.bytes
  bytes[start] = negative ? 1 : 0
  for (let index = 1, last = digits.length; last > 0; index++, last -= 2) {
    bytes[start + index] = parseInt(digits.slice(last - 2, last), 16)
  }
  return length
}

/** Reads a bigint key of `length` bytes at `start`. */
export function readBigintKey(bytes: Buffer, start: number, length: number): bigint {
  if (length === 1) return 0n
  const magnitude = Buffer.from(bytes.subarray(start + 1, start + length))
    .reverse()
    .toString('hex')
  return bytes[start] === 0 ? BigInt(`0x${magnitude}`) : -BigInt(`0x${magnitude}`)
}
