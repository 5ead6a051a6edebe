import { readChunks } from './disk.js'

/** The lines of a file, each with its "\n" (the last one may lack it), and where they begin. */
export function* readLines(path: string): Generator<{ offset: number; bytes: Buffer }, undefined> {
  let rest: Buffer[] = []
  let offset = 0
  for (const chunk of readChunks(path)) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(10, start)
      if (end < 0) break
      const bytes = Buffer.concat([...rest, chunk.subarray(start, end + 1)])
      yield { offset, bytes }
      offset += bytes.length
      rest = []
      start = end + 1
    }
    if (start < chunk.length) rest.push(Buffer.from(chunk.subarray(start)))
  }
  if (rest.length > 0) yield { offset, bytes: Buffer.concat(rest) }
  return undefined
}

export function isWholeLine(bytes: Buffer): boolean {
  return bytes[bytes.length - 1] === 10
}
