import { join } from 'node:path'
import { ForkstoreError } from '../../../base/errors.js'
import type { RecoveredLog } from '../../../base/types.js'
import { nameAside, readChunks, syncDirectory, writeDurably } from './disk.js'
import { logName } from './log-file.js'

/** Where and why a log is damaged. */
export interface Damage {
  file: string
  offset: number
  reason: string
}

/**
 * Puts copies of the files from `firstUntaken` on aside, which are on disk when it returns: the files
 * themselves are removed afterwards. That is the damaged one, or one before it whose end was not taken.
 * Errors: ERR_FORKSTORE_CORRUPT where no salvage was asked for.
 */
export function salvageOrRefuse(
  path: string,
  damage: Damage,
  generations: readonly number[],
  isSalvage: boolean,
  firstUntaken = damage.file,
): RecoveredLog {
  const reason = `${join(path, damage.file)}: at ${damage.offset}: ${damage.reason}`
  if (!isSalvage) throw new ForkstoreError('ERR_FORKSTORE_CORRUPT', `the log is damaged: ${reason}`)
  const untaken = generations.map(logName).filter((name) => name >= firstUntaken)
  const copies = untaken.map((name) => copyAside(path, name))
  if (copies.length > 0) syncDirectory(path)
  return { cut: [], salvaged: { reason, copies } }
}

function copyAside(path: string, name: string): string {
  const copy = nameAside(path, name)
  writeDurably(join(path, copy), readChunks(join(path, name)))
  return copy
}
