import { inspect } from 'node:util'
import { ForkstoreError } from './errors.js'
import type { DurabilityMode, OpenOptions, OpenProgress, SnapshotOptions } from './types.js'
import { isPlainObject } from './value-errors.js'

/** Options with every default filled in. */
export interface ResolvedOptions {
  maxBytes: number
  engine: 'native' | 'js' | 'auto'
  snapshot: Required<SnapshotOptions>
  /** Of a store with a path; one in memory has no log whatever this says. */
  durability: DurabilityMode
  salvage: boolean
  onProgress: ((progress: OpenProgress) => void) | undefined
  /** False after `snapshot: false`: no failed snapshot is tried again either. */
  isAutomatic: boolean
}

const MOST_TIMER_MS = 2 ** 31 - 1
const LEAST_MAX_BYTES = 2 ** 22
const MOST_MAX_BYTES = 256 * 2 ** 30

/** Checks the options of `open`. Errors: ERR_FORKSTORE_INVALID_ARGUMENT. */
export function resolveOptions(options: OpenOptions | undefined): ResolvedOptions {
  const given = asObject('options', options ?? {})
  refuseUnknown('options', given, ['snapshot', 'durability', 'recover', 'onProgress', 'maxBytes', 'engine'])
  const engine = given['engine'] ?? 'auto'
  if (engine !== 'auto' && engine !== 'native' && engine !== 'js') {
    throw invalid(`options.engine must be 'native', 'js' or 'auto', not ${show(engine)}`)
  }
  const durability = given['durability'] ?? 'everysec'
  if (durability !== 'snapshot' && durability !== 'everysec' && durability !== 'commit') {
    throw invalid(`options.durability must be 'snapshot', 'everysec' or 'commit', not ${show(durability)}`)
  }
  const recover = given['recover']
  if (recover !== undefined && recover !== 'salvage') {
    throw invalid(`options.recover must be 'salvage', not ${show(recover)}`)
  }
  const onProgress = given['onProgress']
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalid(`options.onProgress must be a function, not ${show(onProgress)}`)
  }
  return {
    durability,
    salvage: recover === 'salvage',
    onProgress: onProgress as ResolvedOptions['onProgress'],
    maxBytes: integer(given, 'maxBytes', 64 * 2 ** 30, LEAST_MAX_BYTES, MOST_MAX_BYTES),
    engine,
    snapshot: resolveSnapshot(given['snapshot']),
    isAutomatic: given['snapshot'] !== false,
  }
}

function resolveSnapshot(given: unknown): Required<SnapshotOptions> {
  const isOff = given === false
  const options = asObject('options.snapshot', isOff ? {} : (given ?? {}))
  refuseUnknown('options.snapshot', options, ['everyMs', 'afterWrites', 'keep', 'onClose', 'watchdogMs'])
  const onClose = options['onClose'] ?? !isOff
  if (typeof onClose !== 'boolean') {
    throw invalid(`options.snapshot.onClose must be a boolean, not ${show(onClose)}`)
  }
  return {
    everyMs: integer(options, 'everyMs', isOff ? 0 : 60_000, 0, MOST_TIMER_MS, 'snapshot.'),
    afterWrites: integer(
      options,
      'afterWrites',
      isOff ? 0 : 100_000,
      0,
      Number.MAX_SAFE_INTEGER,
      'snapshot.',
    ),
    keep: integer(options, 'keep', 2, 1, 1_000_000, 'snapshot.'),
    onClose,
    watchdogMs: integer(options, 'watchdogMs', 30_000, 1, MOST_TIMER_MS, 'snapshot.'),
  }
}

function integer(
  given: Record<string, unknown>,
  name: string,
  byDefault: number,
  least: number,
  most: number,
  prefix = '',
): number {
  const value = given[name] ?? byDefault
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw invalid(`options.${prefix}${name} must be an integer from ${least} to ${most}, not ${show(value)}`)
  }
  return value as number
}

function asObject(what: string, given: unknown): Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given) || !isPlainObject(given)) {
    throw invalid(`${what} must be a plain object, not ${show(given)}`)
  }
  return given as Record<string, unknown>
}

function refuseUnknown(what: string, given: Record<string, unknown>, known: string[]): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name))
      throw invalid(`${what} has no option ${show(name)}; there are ${known.join(', ')}`)
  }
}

function show(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 80, maxArrayLength: 3 })
}

function invalid(message: string): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', message)
}
