// Files of a few blocks that claim to be gigabytes take memory by their blocks: before they are refused, and
// when they are not.

import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { crc32c, sipHash } from './support/checksums.js'
import { generations } from './support/directory.js'
import { crashCopy, logEnd, logFiles } from './support/log-files.js'
import { Stores } from './support/stores.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const PAGE = 4096
const UNIT = 65_536
/** A file may take this for each of its bytes on disk. */
const PER_BYTE = 512

interface Opened {
  outcome: string
  peak: number
}

function open(path: string): Opened {
  const program = join(import.meta.dirname, 'support/peak-memory.ts')
  const args = ['--import', 'tsx', program, path]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Opened
}

/** Writes pieces at their places into a file of this length, with holes between them. */
function writeSparse(file: string, bytes: number, pieces: [position: number, Buffer][]): void {
  const fd = openSync(file, 'w')
  ftruncateSync(fd, bytes)
  for (const [position, piece] of pieces) writeSync(fd, piece, 0, piece.length, position)
  closeSync(fd)
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const roundUp = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE

/** Replaces an image by one with other units, with checksums that are right for data of 0-bytes. */
function writeImage(file: string, table: Uint32Array, units = table.length): void {
  const old = readFileSync(file)
  const dataUnits = table.reduce((count, entry) => count + (entry % 4 === 0 ? 0 : 1), 0)
  const chunks = Math.ceil((dataUnits * UNIT) / MIB)
  const dataAt = PAGE + roundUp(units * 4)
  const checksumsAt = dataAt + dataUnits * UNIT
  const footerAt = checksumsAt + roundUp(chunks * 4)

  const header = Buffer.from(old.subarray(0, PAGE))
  header.writeBigUInt64LE(BigInt(units), 56)
  header.writeBigUInt64LE(BigInt(dataUnits), 64)
  header.writeUInt32LE(0, 16)
  header.writeUInt32LE(crc32c(header), 16)

  const entries = Buffer.alloc(roundUp(table.byteLength))
  Buffer.from(table.buffer).copy(entries)
  const tableCrc = Buffer.alloc(4)
  tableCrc.writeUInt32LE(crc32c(entries))
  const zeros = crc32c(Buffer.alloc(MIB))
  const checksums = Buffer.from(Uint32Array.from({ length: chunks }, () => zeros).buffer)

  const footer = Buffer.from(old.subarray(old.length - PAGE))
  tableCrc.copy(footer, 12)
  footer.writeBigUInt64LE(BigInt(footerAt + PAGE), 16)
  footer.writeBigUInt64LE(sipHash(Buffer.concat([header, tableCrc, checksums])), 40)
  footer.writeUInt32LE(0, 8)
  footer.writeUInt32LE(crc32c(footer), 8)
  writeSparse(file, footerAt + PAGE, [
    [0, header],
    [PAGE, entries],
    [checksumsAt, checksums],
    [footerAt, footer],
  ])
}

/** What the file has on disk. */
const bytesOnDisk = (file: string): number => statSync(file).blocks * 512

describe('a file of gigabytes that is nearly all holes', () => {
  const stores = new Stores('native', { snapshot: false, durability: 'everysec' })

  let usual = 0

  /** A directory with a snapshot, a log and a manifest. */
  async function newDirectory(): Promise<string> {
    const source = await stores.open(stores.directory())
    source.map('m').set('a', 1)
    await source.commit()
    if (usual === 0) usual = open(crashCopy(source.path!)).peak
    return crashCopy(source.path!)
  }

  /** The file, among those of the directory, takes little more memory than opening a directory usually does. */
  function expectSmall(path: string, file: string, outcome: string): void {
    expect(statSync(file).size).toBeGreaterThan(GIB)
    const bytes = bytesOnDisk(file)
    expect(bytes).toBeLessThan(256 * 1024)
    const opened = open(path)
    expect(opened.outcome).toBe(outcome)
    expect(opened.peak).toBeLessThan(usual + 32 * MIB + bytes * PER_BYTE)
  }

  test('an image that has units of zeros, with right checksums', async () => {
    const path = await newDirectory()
    const file = join(path, generations('native', path)[0]!)
    const table = new Uint32Array(GIB / UNIT + 1).fill(1)
    table[0] = 0
    writeImage(file, table)
    expectSmall(path, file, 'ERR_FORKSTORE_CORRUPT')
  })

  test('an image that has more units than there are addresses', async () => {
    const path = await newDirectory()
    const file = join(path, generations('native', path)[0]!)
    writeImage(file, new Uint32Array(0), 2 ** 29)
    expectSmall(path, file, 'ERR_FORKSTORE_CORRUPT')
  })

  test('a log with a record of gigabytes', async () => {
    const path = await newDirectory()
    const [name] = logFiles('native', path)
    const file = join(path, name!)
    const record = Buffer.alloc(64)
    readFileSync(file).copy(record, 8, 48, 56) // the identity of the segment
    record.writeUInt32LE(3 * GIB, 0)
    record.writeBigUInt64LE(2n, 16)
    const end = Math.ceil(logEnd(path, name!) / 8) * 8
    const fd = openSync(file, 'r+')
    writeSync(fd, record, 0, record.length, end)
    ftruncateSync(fd, 5 * GIB)
    closeSync(fd)
    // It is a torn tail, like any record that is not whole.
    expectSmall(path, file, 'opened')
  })

  test('a manifest', async () => {
    const path = await newDirectory()
    const file = join(path, 'manifest')
    const old = readFileSync(file)
    writeSparse(file, 2 * GIB, [[0, old]])
    expectSmall(path, file, 'ERR_FORKSTORE_CORRUPT')
  })

  test('but its values come back', async () => {
    const source = await stores.open(stores.directory())
    const value = new Uint8Array(24 * MIB)
    value[12 * MIB] = 1
    source.map('m').set('zeros', value)
    await source.commit()
    // With holes where the zeros are: in the log, and in the snapshot.
    const logged = await stores.open(crashCopy(source.path!))
    expect(isSame(logged.map<string, Uint8Array>('m').get('zeros')!, value)).toBe(true)
    await logged.snapshot()
    await logged.close()
    const path = crashCopy(logged.path!)
    expect(bytesOnDisk(join(path, generations('native', path).at(-1)!))).toBeLessThan(4 * MIB)
    const saved = await stores.open(path)
    expect(isSame(saved.map<string, Uint8Array>('m').get('zeros')!, value)).toBe(true)
    saved.map('m').set('zeros', value.fill(2, 0, MIB))
    await saved.snapshot()
    await saved.close()
    const again = await stores.open(path)
    expect(isSame(again.map<string, Uint8Array>('m').get('zeros')!, value)).toBe(true)
  })
})
