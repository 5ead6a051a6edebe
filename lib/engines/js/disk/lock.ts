import { createHash, randomUUID } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  futimesSync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeSync,
  type BigIntStats,
} from 'node:fs'
import { join } from 'node:path'
import { ForkstoreError } from '../../../base/errors.js'
import { isNamed, isSameFile, readSmall } from './disk.js'
import {
  holderHere,
  isStale,
  isThisProcess,
  lockTimes,
  parseHolder,
  type FoundLock,
  type Holder,
} from './lock-holder.js'
import { isSystemError } from '../../../base/system.js'
import { clearInterval, setInterval } from '../../../base/timers.js'

/** Directories that this thread has open. */
const held = new Set<string>()
const FILE = 'lock.json'
/** As long as the longest name that is ever made here. */
const LONG_NAME = `snapshot-${'0'.repeat(20)}.json.damaged.${'0'.repeat(10)}`
const CLAIM = /^lock-[0-9a-f]{16}-\d+\.claim$/

/**
 * One holder of a directory at a time. The system does not help: the lock is a file, and anybody can remove
 * it, or the directory. So the holder looks (`assertOurs`) after each sync, before it acknowledges anything,
 * and before it publishes anything. Whoever takes the lock reads the files after that: what was acknowledged
 * before is there, and nothing is later.
 */
export class DirectoryLock {
  /** The directory itself, whatever becomes of links on the way to it. */
  readonly directory: string
  /** Both are open as long as this lock is, so that their numbers are not given to others. */
  readonly #directoryFile: number
  #file = -1
  readonly #identity: BigIntStats
  readonly #key: string
  #beat: NodeJS.Timeout | undefined

  /** `path`: a directory. Errors: ERR_FORKSTORE_LOCKED, ERR_FORKSTORE_IO, and those of the system. */
  constructor(path: string) {
    this.directory = realpathSync(path)
    // Throws where a path is too long: else that would come out at some later name.
    lstatSync(join(this.directory, LONG_NAME), { throwIfNoEntry: false })
    this.#directoryFile = openSync(this.directory, 'r')
    try {
      this.#identity = fstatSync(this.#directoryFile, { bigint: true })
      this.#key = `${this.#identity.dev}:${this.#identity.ino}`
      if (held.has(this.#key)) throw lockedHere(path)
      while (!this.#create()) this.#removeStale(path)
    } catch (error) {
      closeSync(this.#directoryFile)
      throw error
    }
    held.add(this.#key)
    this.#beat = setInterval(() => this.#touch(), lockTimes.beatMs).unref()
    try {
      this.assertOurs() // this thread may have been stopped before it wrote into its lock
      this.#tidy()
    } catch (error) {
      this.release()
      throw error
    }
  }

  /**
   * Errors: ERR_FORKSTORE_IO where the directory or the lock in it is not ours any more: who comes next does
   * not find what is written, or is there already.
   */
  assertOurs(): void {
    const here = statSync(this.directory, { bigint: true, throwIfNoEntry: false })
    if (!isSameFile(here, this.#identity)) {
      throw new ForkstoreError('ERR_FORKSTORE_IO', `${this.directory} has been removed or moved`)
    }
    const file = join(this.directory, FILE)
    if (!isNamed(file, this.#file)) {
      throw new ForkstoreError('ERR_FORKSTORE_IO', `${file} has been removed: another process may have this store open`) // prettier-ignore
    }
  }

  get isOurs(): boolean {
    try {
      this.assertOurs()
      return true
    } catch {
      return false
    }
  }

  release(): void {
    if (!held.delete(this.#key)) return
    clearInterval(this.#beat)
    try {
      const file = join(this.#whereNow(), FILE)
      if (isNamed(file, this.#file)) unlinkSync(file)
    } catch (error) {
      if (!isSystemError(error)) throw error // the directory is gone: nothing to release
    } finally {
      closeSync(this.#file)
      closeSync(this.#directoryFile)
    }
  }

  /** A way to the directory, also when it was moved, where the system has one. */
  #whereNow(): string {
    const way = `/proc/self/fd/${this.#directoryFile}`
    return isSameFile(statSync(way, { bigint: true, throwIfNoEntry: false }), this.#identity)
      ? way
      : this.directory
  }

  /** False: there is one. Made in its place, without a draft. */
  #create(): boolean {
    const path = join(this.directory, FILE)
    let file: number
    try {
      file = openSync(path, 'wx')
    } catch (error) {
      if (isSystemError(error, 'EEXIST')) return false
      throw error
    }
    try {
      writeSync(file, JSON.stringify({ ...holderHere(this.#identity), id: randomUUID() }))
    } catch (error) {
      closeSync(file)
      remove(path)
      throw error
    }
    this.#file = file
    return true
  }

  #touch(): void {
    try {
      const now = new Date()
      futimesSync(this.#file, now, now)
    } catch {
      // Whoever takes the lock for one that was left behind is noticed.
    }
  }

  /**
   * Removes the lock that is there, unless somebody holds the directory by it. For each such lock there is
   * one name that whoever will remove it must make first: so it is removed once, and never one that has come
   * in its place.
   */
  #removeStale(path: string): void {
    const found = this.#look()
    if (found === undefined) return // released just now
    const busy = (): ForkstoreError => locked(path, parseHolder(found.text))
    if (!isStale(found, this.#identity)) throw busy()
    const claim = this.#claim(found)
    if (claim === undefined) throw busy() // somebody else is at it
    try {
      const now = this.#look()
      if (now === undefined || !isSameLock(now, found)) return
      unlinkSync(join(this.directory, FILE))
    } finally {
      remove(claim)
    }
  }

  /**
   * Makes the name; undefined: somebody else has it. One that was left behind stays until somebody has the lock.
   */
  #claim({ text, stats }: FoundLock): string | undefined {
    const which = createHash('sha256').update(`${stats.ino} ${stats.mtimeNs} ${text}`).digest('hex').slice(0, 16) // prettier-ignore
    for (let number = 0; ; number++) {
      const claim = join(this.directory, `lock-${which}-${number}.claim`)
      try {
        closeSync(openSync(claim, 'wx'))
        return claim
      } catch (error) {
        if (!isSystemError(error, 'EEXIST')) throw error
      }
      const there = lstatSync(claim, { throwIfNoEntry: false })
      if (there === undefined || Date.now() - there.mtimeMs < lockTimes.emptyMs) return undefined
    }
  }

  /** Removes claims that were left behind; they are of locks that are gone. */
  #tidy(): void {
    for (const name of readdirSync(this.directory)) {
      if (CLAIM.test(name)) remove(join(this.directory, name))
    }
  }

  #look(): FoundLock | undefined {
    return readSmall(join(this.directory, FILE))
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

function isSameLock(a: FoundLock, b: FoundLock): boolean {
  return isSameFile(a.stats, b.stats) && a.stats.mtimeNs === b.stats.mtimeNs && a.text === b.text
}

function locked(path: string, holder: Holder | undefined): ForkstoreError {
  if (holder !== undefined && isThisProcess(holder)) return lockedHere(path)
  const who = holder === undefined ? 'another process' : `process ${holder.pid}`
  return new ForkstoreError('ERR_FORKSTORE_LOCKED', `${path} is in use by ${who}`)
}

function lockedHere(path: string): ForkstoreError {
  const advice =
    'is open in this very process already, maybe in another thread: use that store, or close it first'
  return new ForkstoreError('ERR_FORKSTORE_LOCKED', `${path} ${advice}`)
}
