import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  write,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/** Type of the file system that a directory is on, such as `ext4`. */
export function fileSystemOf(directory: string): string {
  const path = `${realpathSync(directory)}/`
  let type = 'unknown'
  let longest = 0
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, point, found] = line.split(' ')
    if (point === undefined || found === undefined) continue
    const prefix = point.endsWith('/') ? point : `${point}/`
    // The last of several mounts on one point is the one that is seen.
    if (prefix.length < longest || !path.startsWith(prefix)) continue
    longest = prefix.length
    type = found
  }
  return type
}

/** On these a sync does nothing. */
const inMemory = ['tmpfs', 'ramfs']

export function assertRealDisk(directory: string): void {
  const type = fileSystemOf(directory)
  if (inMemory.includes(type)) throw new Error(`${directory} is ${type}, memory: say --directory, on a disk`)
}

/** Flushes that the device of a directory has completed since it was attached; undefined where that is not told. */
export function flushesOf(directory: string): number | undefined {
  const { dev } = statSync(directory)
  const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`
  try {
    const flushes = readFileSync(`/sys/dev/block/${device}/stat`, 'utf8').trim().split(/\s+/)[15]
    return flushes === undefined ? undefined : Number(flushes)
  } catch {
    return undefined
  }
}

const fileBytes = 64 * 2 ** 20
const firstPosition = 4096

/**
 * What the disk does on its own: so many bytes are appended to a preallocated file, and fdatasync. The file is
 * made as a segment of the log is (fallocate), in the same directory.
 */
export class BareAppender {
  readonly #descriptor: number
  readonly #data: Buffer
  #position = firstPosition

  constructor(folder: string, bytes: number) {
    const file = join(folder, 'bare')
    execFileSync('fallocate', ['--length', String(fileBytes), file])
    this.#descriptor = openSync(file, 'r+')
    this.#data = Buffer.alloc(bytes, 'record ')
    fsyncSync(this.#descriptor)
  }

  /** Nothing but the two system calls: no thread, no event loop. */
  appendSync(): void {
    writeSync(this.#descriptor, this.#data, 0, this.#data.length, this.#advance())
    fdatasyncSync(this.#descriptor)
  }

  /** As a server would, that must not hold its event loop: two trips to libuv's threads. */
  async append(): Promise<void> {
    const position = this.#advance()
    await new Promise<void>((resolve, reject) => {
      write(this.#descriptor, this.#data, 0, this.#data.length, position, (error) =>
        error === null ? resolve() : reject(error),
      )
    })
    await new Promise<void>((resolve, reject) => {
      fdatasync(this.#descriptor, (error) => (error === null ? resolve() : reject(error)))
    })
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #advance(): number {
    const position = this.#position
    this.#position += this.#data.length
    if (this.#position > fileBytes) throw new Error('the bare file is full')
    return position
  }
}
