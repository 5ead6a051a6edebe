import { randomUUID } from 'node:crypto'
import {
  existsSync,
  linkSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ForkstoreError } from '../errors.js'
import { isSystemError } from './system.js'

/** Directories that this thread has open. */
const held = new Set<string>()
const FILE = 'lock.json'

interface Holder {
  pid: number
  /** The system's number of the thread: a worker may end without its process, and without releasing; null: not known. */
  thread: number | null
  /** When that thread started, so that its number's next owner is not taken for it; null: not known. */
  started: string | null
}

/** One holder of a directory at a time. A process, and on Linux a thread, that ended without releasing is noticed. */
export class DirectoryLock {
  readonly #directory: string
  readonly #text: string

  /** Errors: ERR_FORKSTORE_LOCKED. */
  constructor(path: string) {
    this.#directory = realpathSync(path)
    if (held.has(this.#directory)) throw locked(path, process.pid)
    const thread = ownThread()
    const holder: Holder = { pid: process.pid, thread, started: startOf(process.pid, thread) }
    this.#text = JSON.stringify({ ...holder, id: randomUUID() })
    // Linked into place, so that nobody ever reads half of it.
    const draft = draftIn(path)
    writeFileSync(draft, this.#text)
    try {
      this.#take(path, draft)
    } finally {
      unlinkSync(draft)
    }
    held.add(this.#directory)
  }

  release(): void {
    if (!held.delete(this.#directory)) return
    const file = join(this.#directory, FILE)
    try {
      if (readFileSync(file, 'utf8') === this.#text) unlinkSync(file)
    } catch (error) {
      if (!isSystemError(error)) throw error // the directory is gone: nothing to release
    }
  }

  #take(path: string, draft: string): void {
    const file = join(path, FILE)
    for (;;) {
      try {
        linkSync(draft, file)
        return
      } catch (error) {
        if (!isSystemError(error, 'EEXIST')) throw error
      }
      let text: string
      try {
        text = readFileSync(file, 'utf8')
      } catch (error) {
        if (isSystemError(error, 'ENOENT')) continue // released just now
        throw error
      }
      const holder = parse(text)
      if (holder !== undefined && isRunning(holder)) throw locked(path, holder.pid)
      removeStale(path, file, text)
    }
  }
}

function draftIn(path: string): string {
  return join(path, `lock-${process.pid}-${randomUUID()}.tmp`)
}

/** Whether a file of this name is what is left of a process that died while it took the lock. */
export function isAbandonedDraft(name: string): boolean {
  const pid = /^lock-(\d{1,10})-[0-9a-f-]{36}\.tmp$/.exec(name)?.[1]
  return pid !== undefined && !isRunning({ pid: Number(pid), thread: null, started: null })
}

/** Removes the lock of a dead process, and gives it back if another one was quicker and it is no more stale. */
function removeStale(path: string, file: string, staleText: string): void {
  const aside = draftIn(path)
  try {
    renameSync(file, aside)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  try {
    if (readFileSync(aside, 'utf8') !== staleText) linkSync(aside, file)
  } finally {
    unlinkSync(aside)
  }
}

function parse(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null
    if (!Number.isSafeInteger(holder?.pid) || (holder?.pid ?? 0) <= 0) return undefined
    return { pid: holder!.pid!, thread: holder!.thread ?? null, started: holder!.started ?? null }
  } catch {
    return undefined
  }
}

function isRunning(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if (isSystemError(error, 'ESRCH')) return false
  }
  const { pid, thread } = holder
  if (thread !== null && existsSync(`/proc/${pid}/task`) && !existsSync(`/proc/${pid}/task/${thread}`))
    return false
  const started = startOf(pid, thread)
  return started === null || holder.started === null || started === holder.started
}

/** The system's number of this thread; null where the system does not tell. */
function ownThread(): number | null {
  try {
    return Number(/\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1] ?? NaN) || null
  } catch {
    return null
  }
}

/** Boot and clock tick of the start of a thread, or of a process; null where the system does not tell. */
function startOf(pid: number, thread: number | null): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = readFileSync(
      thread === null ? `/proc/${pid}/stat` : `/proc/${pid}/task/${thread}/stat`,
      'utf8',
    )
    // The name, in brackets, may hold anything; the 22nd field is the 20th after it.
    const tick = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return tick === undefined ? null : `${boot}/${tick}`
  } catch {
    return null
  }
}

function locked(path: string, pid: number): ForkstoreError {
  const who = pid === process.pid ? 'this process has' : `process ${pid} has`
  return new ForkstoreError('ERR_FORKSTORE_LOCKED', `${path}: ${who} this store open`)
}
