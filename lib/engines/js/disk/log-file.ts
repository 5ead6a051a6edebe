import { crc32 } from 'node:zlib'
import { ForkstoreError } from '../../../base/errors.js'
import { BadTable, fromTagged, toTagged } from './tagged.js'

/**
 * The log of the JS engine is text, one JSON value a line. `log-<generation>.json` holds what was written
 * after that snapshot was begun, up to the next file. Its lines:
 *
 * ```
 * {"format":"forkstore-js-log","version":2,"storeId","generation","first","afterFailure","crc"}
 * ["map","users"]                        the operations of batch `first`, each in one line ...
 * ["set","users","ada@x",{"visits":1}]
 * ["patch","users","ada@x",{"visits":2}]
 * ["delete","users","ada@x"]
 * ["clear","users"]
 * ["drop","users"]                       the map is no longer there
 * ["set",[null,"users","ada@x"],"visits",3]   of the tree: the way from the root to a container, then what
 * ["delete",["users","ada@x"],"visits"]       ... or from an entry of a map; likewise "length", "splice"
 *                                             (start, deleteCount, items) and "permute" (order) of arrays
 * {"t":[...]}                            ... or, where JSON cannot say it, as a table of tagged.ts
 * ["end",12,11,"<crc>","<crc>"]          batch 12 ends; all up to 11 were on disk when this was written
 * ["mark",12,"<crc>"]                    all up to 12 are on disk: the store was closed
 * ```
 *
 * The first CRC-32 of an end covers the lines of its batch, the second one `12,11,<first crc>`; that of a
 * mark `12`; that of the header its JSON with an empty "crc". A batch counts whole or not at all.
 *
 * The snapshot that a store is loaded from says ("log") whether files follow it. They are read from the one of its
 * generation on, in order, each beginning with the batch after the last one of that before; but from the
 * first one on that says "afterFailure", they only count for a store that is loaded from that generation or a
 * later one. Where no whole batch follows, the log ends. What lies behind is damage if an end or a mark
 * there, or the header of a later file, says that something was on disk which is not there; else a torn tail,
 * which is cut. Behind a snapshot that says that no files follow it, files of older generations are void, and
 * those of newer ones where they hold nothing; any other goes on from a snapshot that is damaged or gone, and
 * is damage.
 */
const LOG_FORMAT = 'forkstore-js-log'
/** Version 1 knew no "drop". */
const LOG_VERSION = 2
const LOG_VERSIONS: readonly unknown[] = [1, LOG_VERSION]

export interface LogHeader {
  storeId: string
  generation: number
  /** The sequence of the first batch. */
  first: number
  /** The log had failed: what came before may not have been on disk when the file was begun. */
  afterFailure: boolean
}

export type Operation = readonly unknown[]

/** Bytes that no writer of this format has written. */
export class BadLog extends Error {
  constructor(
    message: string,
    readonly isVersion = false,
  ) {
    super(message)
  }
}

export function logName(generation: number): string {
  return `log-${String(generation).padStart(20, '0')}.json`
}

/** The generations of the files of logs among these names, ascending. */
export function logGenerations(names: readonly string[]): number[] {
  return names
    .map((name) => Number(/^log-(\d{20})\.json$/.exec(name)?.[1] ?? NaN))
    .filter((generation) => Number.isSafeInteger(generation) && generation > 0)
    .sort((a, b) => a - b)
}

/** One line. Errors: ERR_FORKSTORE_TOO_LARGE where it would be longer than a string may be. */
export function encodeOperation(operation: Operation, isJson: boolean): string {
  try {
    return `${JSON.stringify(isJson ? operation : { t: toTagged(operation) })}\n`
  } catch (error) {
    // V8's own error, or that of Node where bytes become text.
    const isTooLong =
      error instanceof RangeError || (error as { code?: unknown }).code === 'ERR_STRING_TOO_LONG'
    if (!isTooLong) throw error
    throw new ForkstoreError('ERR_FORKSTORE_TOO_LARGE', 'the value is too large for the log of this engine', {
      cause: error,
    })
  }
}

export function headerLine(header: LogHeader): string {
  const { storeId, generation, first, afterFailure } = header
  const fields = { format: LOG_FORMAT, version: LOG_VERSION, storeId, generation, first, afterFailure }
  return `${JSON.stringify({ ...fields, crc: crcOf(JSON.stringify({ ...fields, crc: '' })) })}\n`
}

/** `batchCrc`: over the lines of the operations. */
export function endLine(sequence: number, durable: number, batchCrc: number): string {
  const batch = hex(batchCrc)
  return `["end",${sequence},${durable},"${batch}","${crcOf(`${sequence},${durable},${batch}`)}"]\n`
}

export function markLine(sequence: number): string {
  return `["mark",${sequence},"${crcOf(String(sequence))}"]\n`
}

/** A parsed line; parseLine gives undefined where it is none. */
type Line =
  | { kind: 'operation'; operation: Operation; isJson: boolean }
  | { kind: 'end'; sequence: number; durable: number; batchCrc: number }
  | { kind: 'mark'; sequence: number }

export function parseLine(bytes: Buffer): Line | undefined {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
  if (Array.isArray(value)) return parseArray(value as unknown[])
  const table = (value as { t?: unknown } | null)?.t
  try {
    const operation = fromTagged(table)
    return Array.isArray(operation) ? { kind: 'operation', operation, isJson: false } : undefined
  } catch (error) {
    if (error instanceof BadTable) return undefined
    throw error
  }
}

function parseArray(value: unknown[]): Line | undefined {
  const [kind, sequence, durable, batch, crc] = value
  if (kind === 'end') {
    if (!isCount(sequence) || !isCount(durable) || typeof batch !== 'string') return undefined
    if (crc !== crcOf(`${sequence},${durable},${batch}`)) return undefined
    return { kind, sequence, durable, batchCrc: Number.parseInt(batch, 16) }
  }
  if (kind === 'mark') {
    return isCount(sequence) && durable === crcOf(String(sequence)) ? { kind, sequence } : undefined
  }
  return { kind: 'operation', operation: value, isJson: true }
}

/** The header that a line holds. Errors: BadLog. */
export function parseHeader(bytes: Buffer): LogHeader {
  let fields: Record<string, unknown> | null
  try {
    fields = JSON.parse(bytes.toString()) as typeof fields
  } catch {
    throw new BadLog('the header is damaged')
  }
  if (typeof fields !== 'object' || fields === null || fields['format'] !== LOG_FORMAT) {
    throw new BadLog('the header is damaged')
  }
  const { crc, ...rest } = fields
  if (crc !== crcOf(JSON.stringify({ ...rest, crc: '' }))) throw new BadLog('the header is damaged')
  if (!LOG_VERSIONS.includes(fields['version'])) {
    throw new BadLog(`written in version ${JSON.stringify(fields['version'])} of the format`, true)
  }
  const { storeId, generation, first, afterFailure } = fields
  const isGood = isCount(generation) && isCount(first) && typeof afterFailure === 'boolean'
  if (typeof storeId !== 'string' || !isGood) throw new BadLog('the header is damaged')
  return { storeId, generation, first, afterFailure } as LogHeader
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function crcOf(text: string): string {
  return hex(crc32(text))
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
