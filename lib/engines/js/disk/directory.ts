import { randomBytes } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ForkstoreError } from '../../../base/errors.js'
import type { Recovered } from '../../../base/types.js'
import type { Plain } from '../data/copy.js'
import {
  disk,
  nameAside,
  readSmall,
  removeFile,
  syncDirectory,
  syncDirectoryLater,
  writeDurably,
} from './disk.js'
import { logGenerations, logName } from './log-file.js'
import { BadSnapshot, FORMAT, readSnapshot, type ReadMap } from './snapshot-file.js'
import { isSystemError } from '../../../base/system.js'

const IDENTITY = 'identity.json'
/** Of the identity file. */
const VERSION = 1
const SNAPSHOT = /^snapshot-(\d{20})\.json$/
/** One that was damaged, and was set aside: kept for whoever wants to look at it, its number never used again. */
const SET_ASIDE = /^snapshot-(\d{20})\.json\.damaged(?:\.\d+)?$/
const TEMPORARY = /^(snapshot-\d{20}|log-\d{20}|identity)\.json\.tmp$/

export interface Loaded {
  storeId: string
  /** The one that was loaded; 0 for a new store. */
  generation: number
  /** Files of a log follow it. */
  hasLog: boolean
  /** Of the newest file there is, usable or not; 0 for a new store. */
  newest: number
  writes: number
  maps: Map<string, ReadMap>
  root: Plain
  recovered: Recovered | undefined
  /** Generations above the one that was loaded that turned out unusable, now or earlier. */
  damaged: Set<number>
}

export function snapshotName(generation: number): string {
  return `snapshot-${String(generation).padStart(20, '0')}.json`
}

/**
 * Makes the directory and those above it that are missing, durably. One by one: some releases of Node never
 * come back from a recursive mkdir below /proc.
 */
export function makeDirectory(path: string): void {
  if (isDirectory(path)) return
  try {
    disk.mkdirSync(path)
  } catch (error) {
    if (isSystemError(error, 'EEXIST') && isDirectory(path)) return // somebody made it just now
    const parent = dirname(path)
    if (!isSystemError(error, 'ENOENT') || isDirectory(parent)) throw error
    makeDirectory(parent)
    makeDirectory(path)
    return
  }
  syncDirectory(dirname(path))
}

function hasFile(path: string, name: string): boolean {
  return lstatSync(join(path, name), { throwIfNoEntry: false }) !== undefined
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** Reads what the directory holds. REQUIRES: its lock. */
export function loadDirectory(path: string): Loaded {
  for (const name of readdirSync(path)) {
    if (TEMPORARY.test(name)) removeFile(join(path, name))
  }
  const names = readdirSync(path)
  const generations = generationsIn(names)
  const identity = readIdentity(path)
  if (generations.length === 0) {
    if (identity !== undefined) {
      throw new ForkstoreError(
        'ERR_FORKSTORE_CORRUPT',
        `${path}: ${IDENTITY} is there but every snapshot is gone: data was removed`,
      )
    }
    const storeId = randomBytes(16).toString('hex')
    return {
      storeId,
      generation: 0,
      hasLog: false,
      newest: 0,
      writes: 0,
      maps: new Map(),
      root: {},
      recovered: undefined,
      damaged: new Set(),
    }
  }
  return loadNewest(path, generations, generationsIn(names, SET_ASIDE), identity)
}

function loadNewest(
  path: string,
  generations: number[],
  setAside: number[],
  identity: string | undefined,
): Loaded {
  const skipped: Recovered['skipped'] = []
  for (const generation of generations) {
    try {
      const { header, maps, root } = readSnapshot(join(path, snapshotName(generation)))
      if (header.generation !== generation)
        throw new BadSnapshot('the file has the name of another generation')
      if (identity !== undefined && header.storeId !== identity) {
        throw new BadSnapshot('the file belongs to another store')
      }
      // A missing one is no damage: a crash came before it was first written, or a backup is of the snapshots
      // alone.
      const identityRestored = identity === undefined && hasFile(path, IDENTITY)
      if (identity === undefined) {
        // The snapshot's name may not be on disk yet, and the identity without a snapshot is taken for data
        // that was removed.
        syncDirectory(path)
        writeIdentity(path, header.storeId)
      }
      const recovered: Recovered = {
        generation,
        entries: header.entries,
        skipped,
        identityRestored,
        log: undefined,
      }
      return {
        storeId: header.storeId,
        generation,
        hasLog: header.log,
        newest: generations[0]!,
        writes: header.writes,
        maps,
        root,
        recovered: skipped.length > 0 || identityRestored ? recovered : undefined,
        // An opening that set them aside may have come no further: what they prove of the log must not be
        // forgotten.
        damaged: new Set([...generations, ...setAside].filter((each) => each > generation)),
      }
    } catch (error) {
      if (isSystemError(error)) throw error
      if (!(error instanceof BadSnapshot)) throw error
      const file = join(path, snapshotName(generation))
      // Not passed over: falling back would silently lose what a newer release wrote.
      if (error.isVersion) throw new ForkstoreError('ERR_FORKSTORE_VERSION', `${file}: ${error.message}`)
      skipped.push({ generation, reason: error.message })
    }
  }
  const reasons = skipped.map((each) => `${snapshotName(each.generation)}: ${each.reason}`).join('; ')
  throw new ForkstoreError('ERR_FORKSTORE_CORRUPT', `${path}: no snapshot can be used: ${reasons}`)
}

function generationsIn(names: string[], pattern = SNAPSHOT): number[] {
  return names
    .map((name) => Number(pattern.exec(name)?.[1] ?? NaN))
    .filter((generation) => Number.isSafeInteger(generation) && generation > 0)
    .sort((a, b) => b - a)
}

/** The store's id; undefined: the file is missing or damaged. */
function readIdentity(path: string): string | undefined {
  const file = readSmall(join(path, IDENTITY))
  if (file === undefined) return undefined
  let identity: { format?: unknown; version?: unknown; storeId?: unknown } | null
  try {
    identity = JSON.parse(file.text) as typeof identity
  } catch {
    return undefined
  }
  if (identity?.format !== FORMAT || typeof identity.storeId !== 'string') return undefined
  if (identity.version !== VERSION) {
    throw new ForkstoreError(
      'ERR_FORKSTORE_VERSION',
      `${join(path, IDENTITY)}: written in version ${JSON.stringify(identity.version)} of the format`,
    )
  }
  return identity.storeId
}

export function writeIdentity(path: string, storeId: string): void {
  const file = join(path, IDENTITY)
  const temporary = `${file}.tmp`
  writeDurably(temporary, [Buffer.from(`${JSON.stringify({ format: FORMAT, version: VERSION, storeId })}\n`)])
  disk.renameSync(temporary, file)
  syncDirectory(path)
}

/**
 * Puts a durable temporary file in its place, durably. `assertOurs` throws where nobody would find it there.
 * What fails may leave the file under either name: the caller removes both.
 */
export async function publish(
  path: string,
  temporary: string,
  name: string,
  assertOurs: () => void,
): Promise<void> {
  assertOurs()
  disk.renameSync(join(path, temporary), join(path, name))
  await syncDirectoryLater(path)
  assertOurs()
  lstatSync(join(path, name)) // throws where it has been removed
}

/**
 * Renames snapshots that turned out unusable, so that they do not go when they are old. Where a log leads on
 * from one of them it is worth nothing without it.
 */
export function setAside(path: string, generations: Iterable<number>): void {
  for (const name of [...generations].map(snapshotName)) {
    if (existsSync(join(path, name))) disk.renameSync(join(path, name), join(path, nameAside(path, name)))
  }
}

/**
 * Removes what is older than the newest `keep` usable generations; the oldest of those, 0 where the system
 * does not say. What cannot be removed stays: it costs space only, and the next snapshot tries again.
 */
export async function removeOld(
  path: string,
  keep: number,
  damaged: ReadonlySet<number>,
): Promise<{ oldest: number }> {
  let generations: number[]
  try {
    generations = generationsIn(readdirSync(path))
  } catch (error) {
    if (!isSystemError(error)) throw error
    return { oldest: 0 }
  }
  const usable = generations.filter((generation) => !damaged.has(generation))
  const oldest = usable[keep - 1]
  if (oldest === undefined) return { oldest: usable.at(-1) ?? 0 }
  for (const generation of generations) {
    if (generation < oldest) await disk.unlink(join(path, snapshotName(generation))).catch(() => undefined)
  }
  return { oldest }
}

/** Removes files of logs, the newest first, so that those that are left hang together. */
export function removeLogs(path: string, generations: readonly number[]): void {
  for (const generation of [...generations].sort((a, b) => b - a)) removeFile(join(path, logName(generation)))
  if (generations.length > 0) syncDirectory(path)
}

/** The highest number that anything here has. */
export function highestNumber(path: string): number {
  const names = readdirSync(path)
  return Math.max(0, ...generationsIn(names), ...generationsIn(names, SET_ASIDE), ...logGenerations(names))
}
