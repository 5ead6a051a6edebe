// Logs of forkstore/js that are written by hand.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { endLine, headerLine, logName, type LogHeader } from '../../lib/engines/js/disk/log-file.js'
import type { Stores } from './stores.js'

/** A batch as it is in a file. */
export function batch(sequence: number, durable: number, ...operations: unknown[]): string {
  const lines = operations
    .map((each) => `${typeof each === 'string' ? each : JSON.stringify(each)}\n`)
    .join('')
  return lines + endLine(sequence, durable, crc32(lines))
}

export type LogText = { text: string; header?: Partial<LogHeader> }

/**
 * The directory of a store of one snapshot, without entries, whose logs have these texts; headers are put
 * before them.
 */
export async function writtenLog(stores: Stores, ...files: LogText[]): Promise<string> {
  const path = stores.directory()
  const store = await stores.open(path)
  await store.close()
  const { storeId } = JSON.parse(readFileSync(join(path, 'identity.json'), 'utf8')) as LogHeader
  files.forEach(({ text, header }, at) => {
    const whole = { storeId, generation: 1 + at, first: 1, afterFailure: false, ...header }
    writeFileSync(join(path, logName(1 + at)), headerLine(whole) + text)
  })
  return path
}

export const made = ['map', 'a']
export const set = (key: unknown, value: unknown): unknown[] => ['set', 'a', key, value]
/** Two batches, after which `x` of the map `a` is 2. */
export const good = batch(1, 0, made, set('x', 1)) + batch(2, 1, set('x', 2))
