import fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { vi } from 'vitest'
import { disk } from '../../lib/engines/js/disk/disk.js'

type Call = Exclude<keyof typeof disk, 'closeSync'>

interface Write {
  at: number
  bytes: Buffer
}

interface Inode {
  /** What is on disk for sure. Replaced, never changed. */
  durable: Buffer
  /** What may be on disk, or not. */
  unsynced: Write[]
}

interface NameChange {
  removed?: string
  added?: [name: string, inode: Inode]
}

/** What a power cut leaves of what was not synced. */
export const dataLeft = ['nothing', 'all', 'all but half a write', 'zeros', 'the last write only'] as const
export type DataLeft = (typeof dataLeft)[number]

/** What is on disk at some moment, and what may be. */
export interface Moment {
  inodes: Map<Inode, Inode>
  names: Map<string, Inode>
  changes: NameChange[]
}

/**
 * Stands between the JS engine and the files of one directory: any call can be made to fail, and it knows
 * what a power cut would leave. As a real disk does, it forgets for good what a sync that fails has not
 * written, while the system goes on showing it, and says of the next sync that all is well. Files are real;
 * syncs cost no time.
 */
export class SimulatedDisk {
  /** Called after each call, and after each sync that does not hold the event loop has ended. */
  onChange: () => void = () => undefined
  /** Whether a call fails; the first has number 1. */
  fails: (number: number, call: Call) => boolean = () => false
  /** As if the process had been killed: no call comes here any more. */
  isDead = false
  readonly calls: Call[] = []
  readonly #path: string
  /** Of open descriptors; undefined: a directory. */
  readonly #open = new Map<number, Inode | undefined>()
  readonly #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #changes: NameChange[] = []

  constructor(path: string) {
    this.#path = path
    const real = { ...disk }
    vi.spyOn(disk, 'mkdirSync').mockImplementation((each) =>
      this.#do('mkdirSync', () => {
        real.mkdirSync(each)
      }),
    )
    vi.spyOn(disk, 'openSync').mockImplementation((each, flags) =>
      this.#do('openSync', () => {
        const file = real.openSync(each, flags)
        this.#open.set(file, flags === 'r' ? undefined : this.#create(each))
        return file
      }),
    )
    vi.spyOn(disk, 'writeSync').mockImplementation((file, bytes, at, length, position) =>
      this.#do('writeSync', () => {
        const written = Buffer.from(bytes.subarray(at, at + length))
        this.#open.get(file)!.unsynced.push({ at: position, bytes: written })
        return real.writeSync(file, bytes, at, length, position)
      }),
    )
    vi.spyOn(disk, 'closeSync').mockImplementation((file) => {
      this.#open.delete(file)
      real.closeSync(file)
    })
    vi.spyOn(disk, 'renameSync').mockImplementation((from, to) =>
      this.#do('renameSync', () => {
        real.renameSync(from, to)
        const inode = this.#names.get(basename(from))!
        this.#change({ removed: basename(from), added: [basename(to), inode] })
      }),
    )
    const unlink = (each: string): void => {
      real.unlinkSync(each)
      this.#change({ removed: basename(each) })
    }
    vi.spyOn(disk, 'unlinkSync').mockImplementation((each) => this.#do('unlinkSync', () => unlink(each)))
    vi.spyOn(disk, 'unlink').mockImplementation((each) => this.#later('unlink', () => () => unlink(each)))
    for (const call of ['fsyncSync', 'fdatasyncSync'] as const) {
      vi.spyOn(disk, call).mockImplementation((file) => {
        const end = this.#sync(file)
        this.#do(call, end)
      })
    }
    for (const call of ['fsync', 'fdatasync'] as const) {
      vi.spyOn(disk, call).mockImplementation((file) => this.#later(call, () => this.#sync(file)))
    }
  }

  /** What is on disk now, and what may be. */
  moment(): Moment {
    const inodes = new Map<Inode, Inode>()
    const all = [...this.#names.values(), ...this.#durableNames.values()]
    const changed = this.#changes.flatMap(({ added }) => (added === undefined ? [] : [added[1]]))
    for (const inode of [...all, ...changed]) {
      inodes.set(inode, { durable: inode.durable, unsynced: [...inode.unsynced] })
    }
    return { inodes, names: new Map(this.#durableNames), changes: [...this.#changes] }
  }

  #do<Result>(call: Call, run: () => Result): Result {
    this.#count(call)
    const result = run()
    this.onChange()
    return result
  }

  async #later(call: Call, begin: () => () => void): Promise<void> {
    let error: unknown
    const end = begin()
    try {
      this.#count(call)
    } catch (thrown) {
      error = thrown
    }
    for (let turns = 0; turns < 3; turns++) await new Promise((done) => setImmediate(done))
    if (error !== undefined) throw error
    if (this.isDead) throw failure(call)
    end()
    this.onChange()
  }

  #count(call: Call): void {
    if (this.isDead) throw failure(call)
    this.calls.push(call)
    if (this.fails(this.calls.length, call)) throw failure(call)
  }

  #create(path: string): Inode {
    const inode = { durable: Buffer.alloc(0), unsynced: [] }
    if (dirname(path) === this.#path) this.#change({ added: [basename(path), inode] })
    return inode
  }

  #change(change: NameChange): void {
    apply(this.#names, change)
    this.#changes.push(change)
  }

  /** What is not synced by now is gone, unless what it returns is called. */
  #sync(file: number): () => void {
    const inode = this.#open.get(file)
    if (inode === undefined) {
      const changes = [...this.#changes]
      return () => {
        for (const change of changes) apply(this.#durableNames, change)
        this.#changes = this.#changes.filter((each) => !changes.includes(each))
      }
    }
    const writes = inode.unsynced
    inode.unsynced = []
    return () => {
      inode.durable = written(inode.durable, writes)
    }
  }
}

/**
 * Makes the directory that a power cut at this moment may leave. `kept`: which changes of names have come to
 * the disk.
 */
export function imageAfterPowerCut(
  { inodes, names, changes }: Moment,
  left: DataLeft,
  kept: (at: number) => boolean,
): Map<string, Buffer> {
  const found = new Map(names)
  changes.forEach((change, at) => {
    if (kept(at)) apply(found, change)
  })
  const files = [...found].map(([name, inode]): [string, Buffer] => {
    const { durable, unsynced } = inodes.get(inode)!
    const last = unsynced.at(-1)
    if (last === undefined || left === 'nothing') return [name, durable]
    const half = { at: last.at, bytes: last.bytes.subarray(0, last.bytes.length >> 1) }
    const zeros = { at: last.at, bytes: Buffer.alloc(last.bytes.length) }
    const before = unsynced.slice(0, -1)
    const writes = {
      all: unsynced,
      'all but half a write': [...before, half],
      zeros: [...before, zeros],
      'the last write only': [last],
    }[left]
    return [name, written(durable, writes)]
  })
  return new Map(files)
}

export function writeImage(path: string, image: ReadonlyMap<string, Buffer>): void {
  fs.mkdirSync(path, { recursive: true })
  for (const [name, bytes] of image) fs.writeFileSync(join(path, name), bytes)
}

function apply(names: Map<string, Inode>, { removed, added }: NameChange): void {
  if (removed !== undefined) names.delete(removed)
  if (added !== undefined) names.set(...added)
}

function written(bytes: Buffer, writes: readonly Write[]): Buffer {
  let result = bytes
  for (const write of writes) {
    const size = Math.max(result.length, write.at + write.bytes.length)
    const next = Buffer.alloc(size)
    result.copy(next)
    write.bytes.copy(next, write.at)
    result = next
  }
  return result
}

function failure(call: Call): NodeJS.ErrnoException {
  return Object.assign(new Error(`EIO: ${call}, as the test says`), { code: 'EIO', errno: -5 })
}
