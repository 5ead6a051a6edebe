/** Strings from bytes and to bytes, the fast ways. */

import type { Bytes } from './window.js'

type ReadLatin1 = (bytes: Bytes, start: number, length: number) => string

// One call of String.fromCharCode with all the characters as arguments takes 13 ns for 6 of them, 27 for
// 20, 37 for 30, and latin1Slice 42 ns whatever the length.
const MOST_ARGUMENTS = 32

const readPlain: ReadLatin1 = (bytes, start, length) => bytes.latin1Slice(start, start + length)

/** Reads a Latin-1 string of any length. */
export const readLatin1: ReadLatin1 = generateReadLatin1() ?? readPlain

/** Reads a string of UTF-16 code units. */
export function readUtf16(bytes: Bytes, start: number, units: number): string {
  return bytes.ucs2Slice(start, start + 2 * units)
}

/** A function with one call for each length; undefined where code generation is forbidden. */
function generateReadLatin1(): ReadLatin1 | undefined {
  const cases: string[] = []
  const characters: string[] = []
  for (let length = 1; length <= MOST_ARGUMENTS; length++) {
    characters.push(`bytes[start + ${length - 1}]`)
    cases.push(`case ${length}: return make(${characters.join(', ')})`)
  }
  const code = `return (bytes, start, length) => {
    switch (length) {
      ${cases.join('\n')}
      default: return bytes.latin1Slice(start, start + length)
    }
  }`
  try {
    return (new Function('make', code) as (make: typeof String.fromCharCode) => ReadLatin1)(
      String.fromCharCode,
    )
  } catch {
    return undefined
  }
}

const CACHED = 1024
const cachedLow = new Int32Array(CACHED)
const cachedHigh = new Int32Array(CACHED)
const cached: string[] = new Array<string>(CACHED).fill('')

/** Reads a SHORT string, whose characters are in its slot. The same few come again and again. */
export function readShort(low: number, high: number): string {
  const length = high & 0xff
  const first = (high >> 8) & 0xff
  if (length <= 1) return length === 0 ? '' : String.fromCharCode(first)
  const place = (Math.imul(low ^ (high << 13), 0x9e3779b1) >>> 22) & (CACHED - 1)
  if (cachedLow[place] === low && cachedHigh[place] === high) return cached[place] as string
  let text: string
  if (length === 2) text = String.fromCharCode(first, low & 0xff)
  else if (length === 3) text = String.fromCharCode(first, low & 0xff, (low >> 8) & 0xff)
  else if (length === 4) text = String.fromCharCode(first, low & 0xff, (low >> 8) & 0xff, (low >> 16) & 0xff)
  else text = String.fromCharCode(first, low & 0xff, (low >> 8) & 0xff, (low >> 16) & 0xff, low >>> 24)
  cachedLow[place] = low
  cachedHigh[place] = high
  cached[place] = text
  return text
}

/** Writes the characters; a result above 0xFF says that one of them did not fit, and the bytes are worthless. */
export function writeLatin1(bytes: Bytes, value: string, length: number, start: number): number {
  const fours = length & ~3
  let all = 0
  let index = 0
  while (index < fours) {
    const a = value.charCodeAt(index)
    const b = value.charCodeAt(index + 1)
    const c = value.charCodeAt(index + 2)
    const d = value.charCodeAt(index + 3)
    const to = start + index
    bytes[to] = a
    bytes[to + 1] = b
    bytes[to + 2] = c
    bytes[to + 3] = d
    all |= a | b | c | d
    index += 4
  }
  for (; index < length; index++) {
    const unit = value.charCodeAt(index)
    bytes[start + index] = unit
    all |= unit
  }
  return all
}
