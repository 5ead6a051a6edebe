import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ForkstoreError } from '../errors.js'
import type { RecoveredLog } from '../types.js'
import { readChunks, syncDirectory, writeDurably } from './disk.js'
import { logName } from './log-file.js'

/** Where and why a log is damaged. */
export interface Damage {
  file: string
  offset: number
  reason: string
}

/**
 * Puts copies of the files from the damaged one on aside, which are on disk when it returns: the files themselves are
 * removed afterwards. Errors: ERR_FORKSTORE_CORRUPT where no salvage was asked for.
 */
export function salvageOrRefuse(
  path: string,
  damage: Damage,
  generations: readonly number[],
  isSalvage: boolean,
): RecoveredLog {
  const reason = `${join(path, damage.file)}: at ${damage.offset}: ${damage.reason}`
  if (!isSalvage) throw new ForkstoreError('ERR_FORKSTORE_CORRUPT', `the log is damaged: ${reason}`)
  const damaged = generations.map(logName).filter((name) => name >= damage.file)
  const copies = damaged.map((name) => copyAside(path, name))
  if (copies.length > 0) syncDirectory(path)
  return { cut: [], salvaged: { reason, copies } }
}

function copyAside(path: string, name: string): string {
  let copy = `${name}.damaged`
  for (let number = 2; existsSync(join(path, copy)); number++) copy = `${name}.damaged.${number}`
  writeDurably(join(path, copy), readChunks(join(path, name)))
  return copy
}
