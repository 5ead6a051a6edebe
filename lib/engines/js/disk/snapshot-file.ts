import { createHash } from 'node:crypto'
import type { Key } from '../../../base/types.js'
import { isStoredObject, type Plain } from '../data/copy.js'
import { disk, writeFully } from './disk.js'
import { isWholeLine, readLines } from './lines.js'
import { OrderedMap } from '../data/ordered-map.js'
import { BadTable, fromTagged, joinParts, taggedParts, toTagged, type Tagged } from './tagged.js'

/**
 * A snapshot of the JS engine is text, one JSON value a line:
 *
 * ```
 * {"format":"forkstore-js","version":2,"sha256":"...", "storeId", "generation", "writes", "maps", "entries", "log"}
 * ["map","users"]                          the lines after it belong to this map
 * ["json","ada@x",{"visits":1}, ...]       key, value, key, value: as JSON has them
 * ["tagged",key,value, ...]                key and value as the tables of tagged.ts
 * ["tree",part, ...]                       parts of the nodes of the live tree, as tagged.ts has them
 * ```
 *
 * The lines of the tree come last; version 1 has none. `log`: whether the log of log-file.ts follows; false
 * where it is missing. The digest covers the whole file, itself read as 64 zeros.
 */
export const FORMAT = 'forkstore-js'
const VERSION = 2
const VERSIONS: readonly unknown[] = [1, VERSION]
const ZERO_DIGEST = '0'.repeat(64)
const BATCH_ENTRIES = 512
const BATCH_CHARACTERS = 2 ** 26
const CHUNK_BYTES = 1 << 20

interface SnapshotHeader {
  storeId: string
  generation: number
  writes: number
  maps: number
  entries: number
  log: boolean
}

/** What the writer needs of a map. */
interface WrittenMap {
  name: string
  stored: Iterable<[Key, unknown]>
  notJson: ReadonlySet<Key>
}

/** What the reader found. */
export interface ReadMap {
  name: string
  stored: OrderedMap<Key, unknown>
  notJson: Set<Key>
}

/** A file that cannot be used; `isVersion`: because another version of the format wrote it. */
export class BadSnapshot extends Error {
  constructor(
    message: string,
    readonly isVersion = false,
  ) {
    super(message)
  }
}

/**
 * Writes everything as it is now, holding the event loop until the last byte is handed to the system; the
 * returned promise settles when it is durable. What fails leaves a file that the caller removes.
 */
export function writeSnapshot(
  path: string,
  header: SnapshotHeader,
  maps: Iterable<WrittenMap>,
  root: Plain,
): { bytes: number; durable: Promise<void> } {
  const file = disk.openSync(path, 'wx')
  let bytes = 0
  try {
    const hash = createHash('sha256')
    let pending: string[] = []
    let pendingLength = 0
    const flush = (): void => {
      const chunk = Buffer.from(pending.join(''))
      hash.update(chunk)
      writeFully(file, chunk, bytes)
      bytes += chunk.length
      pending = []
      pendingLength = 0
    }
    const line = (text: string): void => {
      pending.push(text, '\n')
      pendingLength += text.length
      if (pendingLength >= CHUNK_BYTES) flush()
    }
    const headerLine = (sha256: string): string =>
      JSON.stringify({ format: FORMAT, version: VERSION, sha256, ...header })
    line(headerLine(ZERO_DIGEST))
    for (const map of maps) {
      line(JSON.stringify(['map', map.name]))
      writeEntries(map, line)
    }
    writeTree(root, line)
    flush()
    writeFully(file, Buffer.from(headerLine(hash.digest('hex'))), 0)
  } catch (error) {
    disk.closeSync(file)
    throw error
  }
  return { bytes, durable: syncAndClose(file) }
}

function writeEntries(map: WrittenMap, line: (text: string) => void): void {
  let batch: unknown[] = []
  let batchCharacters = 0
  let isJson = true
  const flush = (): void => {
    if (batch.length > 0) writeBatch(isJson ? 'json' : 'tagged', batch, line)
    batch = []
    batchCharacters = 0
  }
  for (const [key, value] of map.stored) {
    const entryIsJson = map.notJson.size === 0 || !map.notJson.has(key)
    // Huge texts each get a line: V8 14 does not throw at a string that would be too long, it aborts.
    const characters = typeof value === 'string' ? value.length : 0
    const isFull = batch.length >= 2 * BATCH_ENTRIES || batchCharacters + characters > BATCH_CHARACTERS
    if (entryIsJson !== isJson || isFull) {
      flush()
      isJson = entryIsJson
    }
    batchCharacters += characters
    if (isJson) batch.push(key, value)
    else batch.push(toTagged(key), toTagged(value))
  }
  flush()
}

function writeTree(root: Plain, line: (text: string) => void): void {
  let parts: string[] = []
  let characters = 0
  const flush = (): void => {
    if (parts.length > 0) line(`["tree",${parts.join(',')}]`)
    parts = []
    characters = 0
  }
  for (const part of taggedParts(root)) {
    const text = JSON.stringify(part)
    if (characters + text.length > BATCH_CHARACTERS || parts.length >= BATCH_ENTRIES) flush()
    parts.push(text)
    characters += text.length
  }
  flush()
}

function writeBatch(kind: 'json' | 'tagged', batch: unknown[], line: (text: string) => void): void {
  let text: string
  try {
    text = JSON.stringify([kind, ...batch])
  } catch (error) {
    // The text is longer than a string may be. One entry that is by itself cannot be written as JSON.
    if (!(error instanceof RangeError) || batch.length <= 2) throw error
    const middle = 2 * Math.floor(batch.length / 4)
    writeBatch(kind, batch.slice(0, middle), line)
    writeBatch(kind, batch.slice(middle), line)
    return
  }
  line(text)
}

async function syncAndClose(file: number): Promise<void> {
  try {
    await disk.fsync(file)
  } finally {
    disk.closeSync(file)
  }
}

interface ReadStore {
  header: SnapshotHeader
  maps: Map<string, ReadMap>
  root: Plain
}

/** Reads and checks a whole file. Throws BadSnapshot for contents that cannot be used. */
export function readSnapshot(path: string): ReadStore {
  const lines = digestedLines(path)
  try {
    return readContents(lines)
  } finally {
    lines.return('') // closes the file
  }
}

function readContents(lines: Generator<Buffer, string, void>): ReadStore {
  const first = lines.next()
  if (first.done) throw new BadSnapshot('the file is empty')
  const firstLine = parse(first.value) as Record<string, unknown> | null
  if (firstLine?.['format'] !== FORMAT) throw new BadSnapshot('the header is damaged')
  if (!VERSIONS.includes(firstLine['version'])) throw otherVersion(firstLine, lines)
  const header = checkHeader(firstLine)
  const maps = new Map<string, ReadMap>()
  let map: ReadMap | undefined
  const tree: Tagged = [['r', 0]]
  let entries = 0
  let step = lines.next()
  for (; !step.done; step = lines.next()) {
    const line = parse(step.value)
    if (!Array.isArray(line)) throw new BadSnapshot('a line is no list')
    if (line[0] === 'tree') {
      readTree(tree, line)
    } else if (tree.length > 1) {
      throw new BadSnapshot('a line behind the tree')
    } else if (line[0] === 'map') {
      const name: unknown = line[1]
      if (typeof name !== 'string' || name === '' || maps.has(name))
        throw new BadSnapshot('a bad name of a map')
      map = { name, stored: new OrderedMap(), notJson: new Set() }
      maps.set(name, map)
    } else {
      if (map === undefined) throw new BadSnapshot('entries before the first map')
      readEntries(line, map)
      entries += (line.length - 1) / 2
    }
  }
  if (step.value !== firstLine['sha256']) throw new BadSnapshot('the digest does not match')
  const stored = [...maps.values()].reduce((sum, each) => sum + each.stored.size, 0)
  if (entries !== header.entries || stored !== entries || maps.size !== header.maps) {
    throw new BadSnapshot('the counts do not match')
  }
  const root = tree.length === 1 ? {} : readTagged(tree)
  if (!isStoredObject(root)) throw new BadSnapshot('the root is no object')
  return { header, maps, root }
}

function readTree(tree: Tagged, line: unknown[]): void {
  try {
    joinParts(tree, line.slice(1))
  } catch (error) {
    if (error instanceof BadTable) throw new BadSnapshot(error.message)
    throw error
  }
}

function readEntries(line: unknown[], map: ReadMap): void {
  const isTagged = line[0] === 'tagged'
  if ((line[0] !== 'json' && !isTagged) || line.length % 2 !== 1)
    throw new BadSnapshot('a line of unknown kind')
  for (let at = 1; at < line.length; at += 2) {
    const key = isTagged ? readTagged(line[at]) : line[at]
    if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint') {
      throw new BadSnapshot('a key of a kind that there is not')
    }
    map.stored.set(key, isTagged ? readTagged(line[at + 1]) : line[at + 1])
    if (isTagged) map.notJson.add(key)
  }
}

function readTagged(table: unknown): unknown {
  try {
    return fromTagged(table)
  } catch (error) {
    if (error instanceof BadTable) throw new BadSnapshot(error.message)
    throw error
  }
}

/** Another version is believed only where the digest says that nothing is damaged. */
function otherVersion(header: Record<string, unknown>, lines: Generator<Buffer, string, void>): BadSnapshot {
  let step = lines.next()
  while (!step.done) step = lines.next()
  if (step.value !== header['sha256']) return new BadSnapshot('the digest does not match')
  return new BadSnapshot(`written in version ${JSON.stringify(header['version'])} of the format`, true)
}

function checkHeader(fields: Record<string, unknown>): SnapshotHeader {
  const { storeId, generation, writes, maps, entries, log } = fields
  const counts = [generation, writes, maps, entries]
  const areCounts = counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)
  if (typeof storeId !== 'string' || !areCounts) throw new BadSnapshot('the header is damaged')
  return { storeId, generation, writes, maps, entries, log: log === true } as SnapshotHeader
}

function parse(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString()) as unknown
  } catch {
    throw new BadSnapshot('a line is no JSON')
  }
}

/** Gives the lines; returns the digest of the file. The last line must end too. */
function* digestedLines(path: string): Generator<Buffer, string, void> {
  const hash = createHash('sha256')
  for (const { offset, bytes } of readLines(path)) {
    if (!isWholeLine(bytes)) throw new BadSnapshot('the file is cut off')
    hash.update(offset === 0 ? withoutDigest(bytes) : bytes)
    yield bytes
  }
  return hash.digest('hex')
}

function withoutDigest(line: Buffer): Buffer {
  return Buffer.from(
    line.toString('latin1').replace(/"sha256":"[0-9a-f]{64}"/, `"sha256":"${ZERO_DIGEST}"`),
    'latin1',
  )
}
