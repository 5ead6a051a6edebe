import { existsSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs'
import { hostname, uptime } from 'node:os'
import { isSystemError } from '../../../base/system.js'

/** What a lock says of who has taken it, and which directory it is for. */
export interface Holder {
  pid: number
  /**
   * The system's number of the thread: a worker may end without its process, and without releasing; null: not
   * known.
   */
  thread: number | null
  /**
   * Boot and clock tick of the start of that thread, so that its number's next owner is not taken for it;
   * null: not known.
   */
  started: string | null
  /** undefined, as all that follows: an earlier release wrote the lock. */
  machine?: string
  /** Of the machine; null: not known. */
  boot?: string | null
  /** In which numbers of processes mean something: that of a container; null: not known. */
  namespace?: string | null
  directory?: { device: string; inode: string }
}

/** A lock that was read. */
export interface FoundLock {
  text: string
  stats: BigIntStats
}

export const lockTimes = {
  /** How often a holder touches its lock. */
  beatMs: 3000,
  /** A holder that cannot be looked up among the processes here, and was silent for so long, is gone. */
  silentMs: 15_000,
  /** A lock without a text has been made a moment ago, or whoever made it is gone. */
  emptyMs: 2000,
}

/** This thread, as the holder of a lock. */
export function holderHere(directory: BigIntStats): Holder {
  const thread = ownThread()
  return {
    pid: process.pid,
    thread,
    started: startOf(process.pid, thread),
    machine: machine(),
    boot: bootId(),
    namespace: ownNamespace(),
    directory: { device: String(directory.dev), inode: String(directory.ino) },
  }
}

/** undefined: the text of no lock. */
export function parseHolder(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null
    if (!Number.isSafeInteger(holder?.pid) || (holder?.pid ?? 0) <= 0) return undefined
    return { ...(holder as Holder), thread: holder!.thread ?? null, started: holder!.started ?? null }
  } catch {
    return undefined
  }
}

/** Whether nobody holds the directory any more by the lock that was found in it. */
export function isStale({ text, stats }: FoundLock, directory: BigIntStats): boolean {
  const silentMs = Date.now() - Number(stats.mtimeMs)
  const holder = parseHolder(text)
  if (holder === undefined) {
    return text !== '' || silentMs > lockTimes.emptyMs || silentMs > uptime() * 1000
  }
  if (holder.machine === undefined) return !isRunning(holder)
  const isBootKnown = typeof holder.boot === 'string' && bootId() !== null
  const isSameBoot = isBootKnown && holder.boot === bootId()
  if (holder.directory?.inode !== String(directory.ino)) return true // it came with a copy
  // Devices have numbers of their own on each machine, and after each boot.
  if (isSameBoot && holder.directory.device !== String(directory.dev)) return true
  const isSameMachine = isSameBoot || holder.machine === machine()
  if (isSameMachine && isBootKnown && !isSameBoot) return true
  // Elsewhere numbers of processes mean others.
  const isHere = isSameMachine && holder.namespace === ownNamespace()
  if (isHere && !isRunning(holder)) return true
  if (isHere && isSameBoot && holder.started !== null) return false
  return silentMs > lockTimes.silentMs
}

/**
 * Whether this process has taken the lock, in any of its threads. The number alone says little: each
 * container has a process 1.
 */
export function isThisProcess({ pid, machine: where, namespace, boot }: Holder): boolean {
  return pid === process.pid && where === machine() && namespace === ownNamespace() && boot === bootId()
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

/** Both, since copies of a machine may have the same id. */
function machine(): string {
  return `${readLine('/etc/machine-id') ?? ''} ${hostname()}`
}

function bootId(): string | null {
  return readLine('/proc/sys/kernel/random/boot_id')
}

function readLine(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}

function ownNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return null
  }
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
  const stat = readLine(thread === null ? `/proc/${pid}/stat` : `/proc/${pid}/task/${thread}/stat`)
  // The name, in brackets, may hold anything; the 22nd field is the 20th after it.
  const tick = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  return tick === undefined ? null : `${bootId() ?? ''}/${tick}`
}
