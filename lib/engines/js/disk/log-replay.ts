import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { ForkstoreError } from '../../../base/errors.js'
import type { RecoveredLog } from '../../../base/types.js'
import { loadDirectory, setAside, type Loaded } from './directory.js'
import {
  BadLog,
  logGenerations,
  logName,
  parseHeader,
  parseLine,
  type LogHeader,
  type Operation,
} from './log-file.js'
import { findLostLog } from './log-lost.js'
import { salvageOrRefuse, type Damage } from './log-salvage.js'
import { isWholeLine, readLines } from './lines.js'
import { replayOperation } from './replay-operation.js'
import { isSystemError } from '../../../base/system.js'

export interface ReplayOptions {
  salvage: boolean
  onReplay?: ((doneBytes: number, totalBytes: number) => void) | undefined
}

export interface Replayed {
  /** Operations applied, but for maps that were made. */
  writes: number
  /** Of the log that was read. */
  bytes: number
  /** The last whole batch. */
  sequence: number
  /** The file that the log can go on in, and where; undefined: it needs a new one. */
  tail: { generation: number; bytes: number } | undefined
  /** Files without any batch that counts: to be removed. */
  voids: number[]
  recovered: RecoveredLog | undefined
}

interface LoadedWithLog {
  loaded: Loaded
  replayed: Replayed
}

/**
 * Reads what the directory holds: a snapshot, and applied to it what the log holds behind it. Changes no file
 * of the log, but for the copies of a salvage; sets damaged snapshots aside. REQUIRES: the lock of the
 * directory. Errors: those of `loadDirectory`, ERR_FORKSTORE_CORRUPT for damage, ERR_FORKSTORE_VERSION.
 */
export function loadWithLog(path: string, options: ReplayOptions): LoadedWithLog {
  const found = readAll(path, options)
  try {
    setAside(path, found.loaded.damaged)
  } catch (error) {
    // They keep their names, and are judged again next time; but after a salvage there is no next time.
    if (!isSystemError(error) || found.replayed.recovered?.salvaged !== undefined) throw error
  }
  return found
}

function readAll(path: string, options: ReplayOptions): LoadedWithLog {
  const loaded = loadDirectory(path)
  const generations = logGenerations(readdirSync(path))
  const behind = generations.filter((generation) => generation >= loaded.generation)
  const isGone = behind.length === 0 && loaded.damaged.size > 0 // the log was given up, with a snapshot that is damaged now
  if (!loaded.hasLog || isGone) return { loaded, replayed: withoutLog(path, loaded, generations, options) }

  const replay = new Replay(path, loaded, options.onReplay)
  replay.run(behind)
  const { halfApplied } = replay
  if (halfApplied === undefined || !options.salvage) {
    return { loaded, replayed: replay.result(behind, options.salvage) }
  }
  // The state has half a batch: once more from the snapshot, and no further than to the batch before.
  const again = { ...loadDirectory(path), recovered: loaded.recovered }
  const upToThere = new Replay(path, again, undefined, halfApplied)
  upToThere.run(behind)
  return { loaded: again, replayed: upToThere.result(behind, true) }
}

/** No file of a log belongs to the snapshot that was loaded; but one may belong to a newer one. */
function withoutLog(
  path: string,
  loaded: Loaded,
  generations: number[],
  { salvage }: ReplayOptions,
): Replayed {
  const nothing = { writes: 0, bytes: 0, sequence: 0, tail: undefined, voids: generations }
  const lost = findLostLog(path, loaded, generations)
  if (lost === undefined) return { ...nothing, recovered: undefined }
  if (loaded.generation === 0) {
    const message = `${join(path, lost.file)} is there but every snapshot is gone: data was removed`
    throw new ForkstoreError('ERR_FORKSTORE_CORRUPT', message)
  }
  return { ...nothing, recovered: salvageOrRefuse(path, lost, generations, salvage) }
}

/** A batch of which an operation was refused after others of it had been applied. */
interface HalfApplied {
  sequence: number
  damage: Damage
}

class Replay {
  /** Set where the state is not that at the end of a batch: it must not be used. */
  halfApplied: HalfApplied | undefined
  readonly #path: string
  readonly #loaded: Loaded
  readonly #onReplay: ReplayOptions['onReplay']
  /** Not applied, nor anything behind. */
  readonly #refused: HalfApplied | undefined
  #writes = 0
  /** undefined before the first file. */
  #sequence: number | undefined
  #stop: Damage | undefined
  #damage: Damage | undefined
  /** The last file with something that counts, and up to where. */
  #tail: Replayed['tail']
  #doneBytes = 0
  #totalBytes = 0

  constructor(path: string, loaded: Loaded, onReplay: ReplayOptions['onReplay'], refused?: HalfApplied) {
    this.#path = path
    this.#loaded = loaded
    this.#onReplay = onReplay
    this.#refused = refused
  }

  run(generations: number[]): void {
    for (const each of generations) this.#totalBytes += statSync(join(this.#path, logName(each))).size
    if (generations[0] !== this.#loaded.generation) {
      this.#damage = { file: logName(this.#loaded.generation), offset: 0, reason: 'the file is missing' }
      return
    }
    for (const generation of generations) {
      if (!this.#readFile(generation) || this.#damage !== undefined) break
    }
    if (this.#doneBytes > 0) this.#onReplay?.(this.#totalBytes, this.#totalBytes)
  }

  result(generations: number[], salvage: boolean): Replayed {
    const damage = this.#damage
    const isKept = (generation: number): boolean =>
      this.#tail !== undefined && generation <= this.#tail.generation
    const voids = generations.filter((generation) => !isKept(generation))
    const whole = { writes: this.#writes, bytes: this.#doneBytes, sequence: this.#sequence ?? 0, voids }
    if (damage !== undefined) {
      // The end of an earlier file may be missing from the state, too.
      const recovered = salvageOrRefuse(this.#path, damage, generations, salvage, this.#stop?.file)
      return { ...whole, voids: generations, tail: undefined, recovered }
    }
    const cut: RecoveredLog['cut'] = []
    if (this.#stop !== undefined) {
      const { file, offset } = this.#stop
      const bytes = statSync(join(this.#path, file)).size - offset
      // A file that was made and not written to is no news.
      if (bytes > 0) cut.push({ file, offset, bytes })
    }
    return {
      ...whole,
      tail: this.#tail,
      recovered: cut.length > 0 ? { cut, salvaged: undefined } : undefined,
    }
  }

  /** False: the log ends before this file. */
  #readFile(generation: number): boolean {
    const file = logName(generation)
    const lines = readLines(join(this.#path, file))
    try {
      const first = lines.next().value
      const header = this.#header(generation, first?.bytes)
      const isFirst = generation === this.#loaded.generation
      if (header instanceof BadLog) {
        // The header is on disk before anything else of a file is written.
        if (isFirst || hasWitness(lines, 0)) this.#damage = { file, offset: 0, reason: header.message }
        else this.#stop ??= { file, offset: 0, reason: header.message }
        return true
      }
      if (!isFirst && header.afterFailure) {
        const isHealed = [...this.#loaded.damaged].some((each) => each >= generation)
        if (isHealed) this.#damage = { file, offset: 0, reason: 'the snapshot that it follows is damaged' }
        return false
      }
      this.#sequence ??= header.first - 1
      if (this.#stop !== undefined || header.first !== this.#sequence + 1) {
        const reason = `batch ${this.#sequence + 1} is missing: the next file begins with ${header.first}`
        this.#damage = this.#stop === undefined ? { file, offset: 0, reason } : { ...this.#stop, reason }
        return true
      }
      const start = first!.bytes.length
      this.#tail = { generation, bytes: start }
      this.#readBatches(file, lines, start)
      return true
    } finally {
      lines.return(undefined)
    }
  }

  #header(generation: number, line: Buffer | undefined): LogHeader | BadLog {
    try {
      if (line === undefined || !isWholeLine(line)) throw new BadLog('the header is damaged')
      const header = parseHeader(line)
      if (header.generation !== generation) throw new BadLog('the file has the name of another one')
      if (header.storeId !== this.#loaded.storeId) throw new BadLog('the file belongs to another store')
      return header
    } catch (error) {
      if (!(error instanceof BadLog)) throw error
      if (error.isVersion) throw this.#ofNewerVersion(logName(generation), error)
      return error
    }
  }

  /** No damage, so never salvaged: a newer release can read it. */
  #ofNewerVersion(file: string, { message }: BadLog): ForkstoreError {
    return new ForkstoreError('ERR_FORKSTORE_VERSION', `${join(this.#path, file)}: ${message}`)
  }

  #readBatches(
    file: string,
    lines: Generator<{ offset: number; bytes: Buffer }, undefined>,
    start: number,
  ): void {
    let batch: { operation: Operation; isJson: boolean }[] = []
    let batchCrc = 0
    let batchStart = start
    const missing = this.#sequence! + 1
    for (const { offset, bytes } of lines) {
      const line = isWholeLine(bytes) ? parseLine(bytes) : undefined
      if (line?.kind === 'operation') {
        batch.push(line)
        batchCrc = crc32(bytes, batchCrc)
        continue
      }
      const expected: number = this.#sequence! + 1
      const isMark = line?.kind === 'mark' && line.sequence === expected - 1 && batch.length === 0
      const isEnd = line?.kind === 'end' && line.sequence === expected && line.batchCrc === batchCrc
      if (!isMark && !isEnd) {
        this.#end(file, batchStart, 'this is no whole batch', line, lines)
        return
      }
      if (isEnd) {
        if (expected === this.#refused?.sequence) {
          this.#damage = this.#refused.damage
          return
        }
        for (const { operation, isJson } of batch) {
          try {
            replayOperation(this.#loaded, operation, isJson)
          } catch (error) {
            if (!(error instanceof BadLog)) throw error
            if (error.isVersion) throw this.#ofNewerVersion(file, error)
            this.#damage = { file, offset: batchStart, reason: error.message }
            this.halfApplied = { sequence: expected, damage: this.#damage }
            return
          }
        }
        // A map that is made is no write.
        for (const { operation } of batch) if (operation[0] !== 'map') this.#writes++
        this.#sequence = expected
      }
      batch = []
      batchCrc = 0
      this.#doneBytes += offset + bytes.length - batchStart
      batchStart = offset + bytes.length
      this.#tail!.bytes = batchStart
      if ((expected - missing) % 1024 === 0) this.#onReplay?.(this.#doneBytes, this.#totalBytes)
    }
    if (batch.length > 0) this.#stop = { file, offset: batchStart, reason: 'the batch has no end' }
  }

  /** No whole batch follows at `offset`: damage where something behind bears witness, else the end. */
  #end(
    file: string,
    offset: number,
    reason: string,
    line: ReturnType<typeof parseLine>,
    lines: Generator<{ offset: number; bytes: Buffer }, undefined>,
  ): void {
    const missing = this.#sequence! + 1
    if (isWitness(line, missing) || hasWitness(lines, missing)) this.#damage = { file, offset, reason }
    else this.#stop = { file, offset, reason }
  }
}

/** Whether a line says that batch `missing` was on disk. */
function isWitness(line: ReturnType<typeof parseLine>, missing: number): boolean {
  if (line?.kind === 'end') return line.durable >= missing
  return line?.kind === 'mark' && line.sequence >= missing
}

function hasWitness(
  lines: Generator<{ offset: number; bytes: Buffer }, undefined>,
  missing: number,
): boolean {
  for (const { bytes } of lines) {
    if (isWholeLine(bytes) && isWitness(parseLine(bytes), missing)) return true
  }
  return false
}
