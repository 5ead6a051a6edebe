import fs from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ForkstoreError } from '../../../base/errors.js'
import { isSystemError } from '../../../base/system.js'

/**
 * The calls of the system that change what is on disk, or bring it there. The engine makes none of them in
 * another way, but for its lock, so that tests can make each of them fail, and know what a power cut would
 * leave.
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

/**
 * Makes a file of these bytes, and brings them to the disk; its name is not there before the directory is synced.
 */
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
/** A link is not followed, and there is no waiting for the other end of a FIFO. Windows knows neither. */
const READ_REGULAR = fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)

/** For reading. Errors: ERR_FORKSTORE_IO for what is no regular file: a FIFO, a device, a link. */
function openRegular(path: string): number {
  let file: number
  try {
    file = fs.openSync(path, READ_REGULAR)
  } catch (error) {
    if (isSystemError(error, 'ELOOP') || isSystemError(error, 'ENXIO')) throw notRegular(path, error)
    throw error
  }
  if (fs.fstatSync(file).isFile()) return file
  fs.closeSync(file)
  throw notRegular(path)
}

function notRegular(path: string, cause?: unknown): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_IO', `${path} is not a regular file`, { cause })
}

const SMALL_BYTES = 4096

/**
 * The text of a file that is small (of another one only its beginning), and which file it is; undefined:
 * there is none. Errors: those of `openRegular`.
 */
export function readSmall(path: string): { text: string; stats: fs.BigIntStats } | undefined {
  let file: number
  try {
    file = openRegular(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
  try {
    const stats = fs.fstatSync(file, { bigint: true })
    const bytes = Buffer.alloc(SMALL_BYTES)
    let length = 0
    for (let got = -1; got !== 0 && length < SMALL_BYTES; length += got) {
      got = fs.readSync(file, bytes, length, SMALL_BYTES - length, length)
    }
    return { text: bytes.toString('utf8', 0, length), stats }
  } finally {
    fs.closeSync(file)
  }
}

/** Whether both are of one file, or directory; undefined: there is none. */
export function isSameFile(a: fs.BigIntStats | undefined, b: fs.BigIntStats): boolean {
  return a !== undefined && a.dev === b.dev && a.ino === b.ino
}

/** Whether the path still is that of a file that is open: else nobody who looks for it finds it. */
export function isNamed(path: string, file: number): boolean {
  const there = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return isSameFile(there, fs.fstatSync(file, { bigint: true }))
}

/** The first `length` bytes of a file, or all of it, in pieces that are good until the next one. */
export function* readChunks(path: string, length = Infinity): Generator<Buffer, undefined> {
  const file = openRegular(path)
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
