import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Loaded } from './directory.js'
import { isWholeLine, readLines } from './lines.js'
import { BadLog, headerLine, logName, parseHeader, parseLine } from './log-file.js'
import type { Damage } from './log-salvage.js'

/**
 * Whether the log goes on from a state that the snapshot which was loaded does not lead to: that of a newer
 * one, which is damaged or gone. REQUIRES: that no file of a log belongs to the one that was loaded. A file
 * of an older generation is void, since the snapshot has its effect; and so is one that holds nothing: a
 * newer snapshot was begun and never came, or nothing was written after it. Any other may be all that is left
 * of something that was acknowledged.
 */
export function findLostLog(
  path: string,
  loaded: Loaded,
  generations: readonly number[],
): Damage | undefined {
  const newer = generations.filter((generation) => generation > loaded.generation)
  const lost = newer.find((generation) => !holdsNothing(join(path, logName(generation)), generation))
  if (lost === undefined) return undefined
  const which =
    loaded.generation === 0
      ? 'there is none'
      : `generation ${loaded.generation} is the newest that can be used`
  return {
    file: logName(lost),
    offset: 0,
    reason: `it goes on from a newer snapshot, and ${which}`,
  }
}

/** The first file of a log, without a batch. */
function holdsNothing(file: string, generation: number): boolean {
  const lines = readLines(file)
  try {
    const first = firstBatch(lines.next().value?.bytes)
    // The header is on disk before anything else of a file is written: without it nothing is behind it.
    const header = headerLine({ storeId: '0'.repeat(32), generation, first: 1, afterFailure: false })
    if (first === undefined) return statSync(file).size <= header.length
    // One that does not begin with the first batch is proof of those before.
    if (first !== 1) return false
    for (const { bytes } of lines) {
      const line = isWholeLine(bytes) ? parseLine(bytes) : undefined
      if (line?.kind !== 'mark' || line.sequence !== 0) return false
    }
    return true
  } finally {
    lines.return(undefined)
  }
}

/** The sequence of the first batch, as the header says; undefined: the line is no header. */
function firstBatch(line: Buffer | undefined): number | undefined {
  if (line === undefined || !isWholeLine(line)) return undefined
  try {
    return parseHeader(line).first
  } catch (error) {
    if (error instanceof BadLog) return undefined
    throw error
  }
}
