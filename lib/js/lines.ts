import { closeSync, openSync, readSync } from 'node:fs'

const CHUNK_BYTES = 1 << 20

/** The lines of a file, each with its "\n" (the last one may lack it), and where they begin. */
export function* readLines(path: string): Generator<{ offset: number; bytes: Buffer }, undefined> {
  const file = openSync(path, 'r')
  try {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    let rest: Buffer[] = []
    let offset = 0
    for (;;) {
      const size = readSync(file, chunk, 0, CHUNK_BYTES, null)
      if (size === 0) break
      let start = 0
      for (;;) {
        const end = chunk.subarray(0, size).indexOf(10, start)
        if (end < 0) break
        const bytes = Buffer.concat([...rest, chunk.subarray(start, end + 1)])
        yield { offset, bytes }
        offset += bytes.length
        rest = []
        start = end + 1
      }
      if (start < size) rest.push(Buffer.from(chunk.subarray(start, size)))
    }
    if (rest.length > 0) yield { offset, bytes: Buffer.concat(rest) }
  } finally {
    closeSync(file)
  }
  return undefined
}

export function isWholeLine(bytes: Buffer): boolean {
  return bytes[bytes.length - 1] === 10
}
