import fs from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isSystemError } from './system.js'

/**
 * The calls of the system that change what is on disk, or bring it there. The engine makes none of them in another way,
 * but for its lock, so that tests can make each of them fail, and know what a power cut would leave.
 */
export const disk = {
  mkdirSync: (path: string): void => fs.mkdirSync(path),
  openSync: (path: string, flags: 'r' | 'w' | 'wx'): number => fs.openSync(path, flags),
  writeSync: (file: number, bytes: Buffer, at: number, length: number, position: number): number =>
    fs.writeSync(file, bytes, at, length, position),
  closeSync: (file: number): void => fs.closeSync(file),
  renameSync: (from: string, to: string): void => fs.renameSync(from, to),
  unlinkSync: (path: string): void => fs.unlinkSync(path),
  unlink: (path: string): Promise<void> => promisify(fs.unlink)(path),
  fsyncSync: (file: number): void => fs.fsyncSync(file),
  fsync: (file: number): Promise<void> => promisify(fs.fsync)(file),
  fdatasyncSync: (file: number): void => fs.fdatasyncSync(file),
  fdatasync: (file: number): Promise<void> => promisify(fs.fdatasync)(file),
}

/** All of the bytes, however few of them the system takes at a time. */
export function writeFully(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += disk.writeSync(file, bytes, done, bytes.length - done, position + done)
  }
}

/** Also where there is no such file. */
export function removeFile(path: string): void {
  try {
    disk.unlinkSync(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

/** A name for what is damaged and shall be kept, which nothing has yet. */
export function nameAside(path: string, name: string): string {
  let aside = `${name}.damaged`
  for (let number = 2; fs.existsSync(join(path, aside)); number++) aside = `${name}.damaged.${number}`
  return aside
}

/** Makes a file of these bytes, and brings them to the disk; its name is not there before the directory is synced. */
export function fillDurably(file: number, chunks: Iterable<Buffer>): void {
  let position = 0
  for (const chunk of chunks) {
    writeFully(file, chunk, position)
    position += chunk.length
  }
  disk.fsyncSync(file)
}

/** As `fillDurably`, with a new file. */
export function writeDurably(path: string, chunks: Iterable<Buffer>): void {
  const file = disk.openSync(path, 'wx')
  try {
    fillDurably(file, chunks)
  } finally {
    disk.closeSync(file)
  }
}

/** Which names there are in the directory, and for which files, is on disk afterwards. */
export function syncDirectory(path: string): void {
  const directory = disk.openSync(path, 'r')
  try {
    disk.fsyncSync(directory)
  } finally {
    disk.closeSync(directory)
  }
}

/** As `syncDirectory`, without holding the event loop. */
export async function syncDirectoryLater(path: string): Promise<void> {
  const directory = disk.openSync(path, 'r')
  try {
    await disk.fsync(directory)
  } finally {
    disk.closeSync(directory)
  }
}

const CHUNK_BYTES = 1 << 20

/** The first `length` bytes of a file, or all of it, in pieces that are good until the next one. */
export function* readChunks(path: string, length = Infinity): Generator<Buffer, undefined> {
  const file = fs.openSync(path, 'r')
  try {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    for (let left = length; left > 0; ) {
      const size = fs.readSync(file, chunk, 0, Math.min(CHUNK_BYTES, left), null)
      if (size === 0) break
      yield chunk.subarray(0, size)
      left -= size
    }
  } finally {
    fs.closeSync(file)
  }
  return undefined
}
