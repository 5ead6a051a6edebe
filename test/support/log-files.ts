import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EngineName } from './engines.js'

/** Names of the files of the log, oldest first. */
export function logFiles(engine: EngineName, directory: string): string[] {
  const name = engine === 'js' ? /^log-\d{20}\.json$/ : /^log-\d{20}\.log$/
  return readdirSync(directory)
    .filter((each) => name.test(each))
    .sort()
}

/** Where the log's bytes end: a file of the native engine is preallocated. */
export function logEnd(directory: string, name: string): number {
  const bytes = readFileSync(join(directory, name))
  let end = bytes.length
  // By words: these are many megabytes.
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3)
  if (bytes.length % 8 === 0) while (end > 0 && words[(end >> 3) - 1] === 0n) end -= 8
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

/** Changes the bytes of a file of the log. */
export function editLog(directory: string, name: string, edit: (bytes: Buffer) => Buffer): void {
  writeFileSync(join(directory, name), edit(readFileSync(join(directory, name))))
}

/** What is on disk at this moment, as after a crash of the process: in a new directory below `base`, not locked. */
export function crashCopy(directory: string, base = join(directory, '..')): string {
  const copy = join(mkdtempSync(join(base, 'copy-')), 'data')
  // The files of a log come and go while they are copied. Holes stay holes: a log is mostly preallocated space.
  for (let attempts = 1; ; attempts++) {
    const { status, stderr } = spawnSync('cp', ['-r', '--sparse=always', directory, copy])
    if (status === 0) break
    if (attempts === 100) throw new Error(`${directory} cannot be copied: ${stderr}`)
    rmSync(copy, { recursive: true, force: true })
  }
  rmSync(join(copy, 'lock.json'), { force: true })
  return copy
}
