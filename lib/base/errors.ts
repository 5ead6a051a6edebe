import { types } from 'node:util'

/** Every code that a {@link ForkstoreError} can carry. Codes are stable; messages are not. */
export type ForkstoreErrorCode =
  | 'ERR_FORKSTORE_LOCKED'
  | 'ERR_FORKSTORE_CORRUPT'
  | 'ERR_FORKSTORE_VERSION'
  | 'ERR_FORKSTORE_CLOSED'
  | 'ERR_FORKSTORE_FULL'
  | 'ERR_FORKSTORE_TOO_LARGE'
  | 'ERR_FORKSTORE_UNSUPPORTED_VALUE'
  | 'ERR_FORKSTORE_UNSUPPORTED_KEY'
  | 'ERR_FORKSTORE_INVALID_ARGUMENT'
  | 'ERR_FORKSTORE_NOT_FOUND'
  | 'ERR_FORKSTORE_WRONG_TYPE'
  | 'ERR_FORKSTORE_DETACHED'
  | 'ERR_FORKSTORE_TRANSACTION'
  | 'ERR_FORKSTORE_SNAPSHOT_FAILED'
  | 'ERR_FORKSTORE_LOG_FAILED'
  | 'ERR_FORKSTORE_UNAVAILABLE'
  | 'ERR_FORKSTORE_IO'

/**
 * What every failure of this library is. `cause` holds the system's error where there is one.
 *
 * Those of arguments are what JavaScript's own would be as well: `instanceof TypeError` for
 * `ERR_FORKSTORE_INVALID_ARGUMENT`, `_UNSUPPORTED_KEY`, `_UNSUPPORTED_VALUE` and `_WRONG_TYPE`, `instanceof
 * RangeError` for `ERR_FORKSTORE_TOO_LARGE` and for numbers that are out of range.
 *
 * What JavaScript or Node itself refuses, before any code of this library runs or in their own code, is their own
 * error, a TypeError or RangeError without a code of this library:
 *
 * - in the methods of Array.prototype that a view of an array inherits as they are (`reduce` of no items
 *   without an initial value, an index out of range in `with`, a callback that is no function);
 * - a call of what is no function (`view.missing()`), a class that is called without `new`, an assignment to a
 *   property that has only a getter (`store.root = {}`, `map.size = 0`), `delete` or `Object.defineProperty` of
 *   an array's `length`;
 * - `get`, `set`, `has`, `delete`, `clear`, `live`, `keys`, `values` and `entries` of a map, called without the
 *   map (`const { get } = map`), as of JavaScript's Map; `next` and `return` of iterators likewise;
 * - the methods that a store inherits from EventEmitter (`store.on('snapshot', 1)`: Node's
 *   ERR_INVALID_ARG_TYPE), and `structuredClone` and `postMessage` (a DataCloneError).
 *
 * What a callback of the application throws goes on as it is.
 */
export class ForkstoreError extends Error {
  readonly code: ForkstoreErrorCode

  constructor(code: ForkstoreErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    const kin = KIN[code]
    if (kin !== undefined && new.target === ForkstoreError) Object.setPrototypeOf(this, kin)
  }

  /** Also for those whose prototype is that of a TypeError, and those of another realm's copy of this library. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== ForkstoreError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return types.isNativeError(value) && (value as { name: unknown }).name === NAME && 'code' in value
  }
}

const NAME = 'ForkstoreError'
Object.defineProperty(ForkstoreError.prototype, 'name', { value: NAME, writable: true, configurable: true })

/** A prototype that has all that ForkstoreError's has, and inherits from another error's. */
function kinOf(prototype: Error): object {
  return Object.create(prototype, Object.getOwnPropertyDescriptors(ForkstoreError.prototype)) as object
}

const rangeErrors = kinOf(RangeError.prototype)
const typeErrors = kinOf(TypeError.prototype)
const KIN: Partial<Record<ForkstoreErrorCode, object>> = {
  ERR_FORKSTORE_INVALID_ARGUMENT: typeErrors,
  ERR_FORKSTORE_UNSUPPORTED_KEY: typeErrors,
  ERR_FORKSTORE_UNSUPPORTED_VALUE: typeErrors,
  ERR_FORKSTORE_WRONG_TYPE: typeErrors,
  ERR_FORKSTORE_TOO_LARGE: rangeErrors,
}

/** `ERR_FORKSTORE_INVALID_ARGUMENT` for a number that is out of range. */
export function outOfRange(message: string): ForkstoreError {
  return Object.setPrototypeOf(invalid(message), rangeErrors) as ForkstoreError
}

export function closedError(): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_CLOSED', 'the store is closed')
}

/** What is told by a `warning` event, and is no error of a call. */
export class ForkstoreWarning extends Error {}
Object.defineProperty(ForkstoreWarning.prototype, 'name', {
  value: 'ForkstoreWarning',
  writable: true,
  configurable: true,
})

/** As `process.emitWarning(warning)`, which does not take an error of another realm (Jest, vm) for one. */
export function warnProcess(warning: Error): void {
  const { name, message } = warning
  const { code } = warning as { code?: string }
  process.emitWarning(message, code === undefined ? { type: name } : { type: name, code })
}

/** The error for an argument that is none. */
export function invalid(message: string, options?: { cause?: unknown }): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', message, options)
}

/** The error of `new` for a class that only this library makes objects of; `instead`: how one gets them. */
export function notConstructible(name: string, instead: string): ForkstoreError {
  return invalid(`new ${name}: it is made by ${instead}`)
}

/**
 * For `toJSON` of what has no JSON. `key` are its arguments: JSON.stringify gives the key, and test runners,
 * which ask for something to show, nothing; they get an empty object of the class.
 */
export function refuseJson(object: object, key: unknown[], what: string, instead: string): object {
  if (key.length === 0) return Object.create(Object.getPrototypeOf(object) as object) as object
  throw invalid(`${what} has no JSON; copy what is needed: ${instead}`)
}
