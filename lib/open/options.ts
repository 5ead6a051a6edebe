import { constants } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { invalid } from '../base/errors.js'
import { asObject, integer, refuseUnknown, show } from '../base/option-checks.js'
import type { OpenOptions } from '../base/types.js'
import type { ResolvedOptions, ResolvedSnapshotOptions } from '../store/resolved-options.js'

const OPTIONS = ['create', 'snapshot', 'durability', 'recover', 'onProgress', 'closeOn', 'maxBytes', 'engine']
const SNAPSHOT_OPTIONS = [
  'everyMs',
  'afterWrites',
  'everyLogBytes',
  'keep',
  'onClose',
  'watchdogMs',
  'strategy',
  'maxCopiedBytes',
  'maxBytesPerSecond',
]
/** Of `maxCopiedBytes` and `maxBytesPerSecond`: less is a mistake of the unit. */
const LEAST_BYTES = 2 ** 20
const MOST_TIMER_MS = 2 ** 31 - 1
const LEAST_MAX_BYTES = 2 ** 22
const MOST_MAX_BYTES = 256 * 2 ** 30
/** As many as can be had from here on, where nobody has asked for a number. */
const LEAST_DEFAULT_BYTES = 64 * 2 ** 20

/** Checks the options of `open`. Errors: ERR_FORKSTORE_INVALID_ARGUMENT. */
export function resolveOptions(options: OpenOptions | undefined): ResolvedOptions {
  const given = asObject('options', options === undefined ? {} : options)
  refuseUnknown('options', given, OPTIONS)
  // undefined is the default, null is no option.
  const { engine = 'auto', durability = 'everysec', create = true, closeOn = [] } = given
  if (engine !== 'auto' && engine !== 'native' && engine !== 'js') {
    throw invalid(`options.engine must be 'native', 'js' or 'auto', not ${show(engine)}`)
  }
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
  if (typeof create !== 'boolean') throw invalid(`options.create must be a boolean, not ${show(create)}`)
  return {
    durability,
    create,
    closeOn: resolveSignals(closeOn),
    salvage: recover === 'salvage',
    onProgress: onProgress as ResolvedOptions['onProgress'],
    maxBytes: integer(given, 'maxBytes', 64 * 2 ** 30, LEAST_MAX_BYTES, MOST_MAX_BYTES),
    leastBytes: (given['maxBytes'] ?? null) === null ? LEAST_DEFAULT_BYTES : undefined,
    engine,
    snapshot: resolveSnapshot(given['snapshot']),
    isAutomatic: given['snapshot'] !== false,
  }
}

function resolveSnapshot(given: unknown): ResolvedSnapshotOptions {
  const isOff = given === false
  const options = asObject('options.snapshot', isOff || given === undefined ? {} : given)
  refuseUnknown('options.snapshot', options, SNAPSHOT_OPTIONS)
  const { onClose = !isOff } = options
  if (typeof onClose !== 'boolean') {
    throw invalid(`options.snapshot.onClose must be a boolean, not ${show(onClose)}`)
  }
  const { strategy = 'auto' } = options
  if (strategy !== 'auto' && strategy !== 'fork' && strategy !== 'copy') {
    throw invalid(`options.snapshot.strategy must be 'auto', 'fork' or 'copy', not ${show(strategy)}`)
  }
  /** A trigger that is off with `snapshot: false`, and without a number goes by the size of the store. */
  const trigger = (name: string): number | undefined => {
    const byDefault = isOff ? 0 : undefined
    if (options[name] === undefined) return byDefault
    return integer(options, name, 0, 0, Number.MAX_SAFE_INTEGER, 'snapshot.')
  }
  const bytes = (name: string): number | undefined =>
    options[name] === undefined
      ? undefined
      : integer(options, name, 0, LEAST_BYTES, Number.MAX_SAFE_INTEGER, 'snapshot.')
  const afterWrites = trigger('afterWrites')
  const everyLogBytes = trigger('everyLogBytes')
  return {
    everyMs: integer(options, 'everyMs', isOff ? 0 : 60_000, 0, MOST_TIMER_MS, 'snapshot.'),
    ...(afterWrites === undefined ? {} : { afterWrites }),
    ...(everyLogBytes === undefined ? {} : { everyLogBytes }),
    keep: integer(options, 'keep', 2, 1, 1_000_000, 'snapshot.'),
    onClose,
    watchdogMs: integer(options, 'watchdogMs', 30_000, 1, MOST_TIMER_MS, 'snapshot.'),
    strategy,
    maxCopiedBytes: bytes('maxCopiedBytes'),
    maxBytesPerSecond: bytes('maxBytesPerSecond'),
  }
}

function resolveSignals(given: unknown): NodeJS.Signals[] {
  if (!Array.isArray(given)) throw invalid(`options.closeOn must be an array of signals, not ${show(given)}`)
  for (const signal of given as unknown[]) {
    const isKnown = typeof signal === 'string' && Object.hasOwn(constants.signals, signal)
    if (!isKnown || signal === 'SIGKILL' || signal === 'SIGSTOP') {
      throw invalid(`options.closeOn holds ${show(signal)}, which is no signal that can be listened for`)
    }
  }
  if (given.length > 0 && !isMainThread) throw invalid('options.closeOn: a worker thread gets no signals')
  return [...new Set(given as NodeJS.Signals[])]
}
