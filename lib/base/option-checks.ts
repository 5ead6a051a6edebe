/** Checks of the options that functions take. `what` names them in messages. */

import { inspect } from 'node:util'
import { invalid, outOfRange } from './errors.js'
import { isPlainObject } from './value-errors.js'

/**
 * The option `name`, or what it is by default. Errors: ERR_FORKSTORE_INVALID_ARGUMENT, of which one out of
 * range is a RangeError.
 */
export function integer(
  given: Record<string, unknown>,
  name: string,
  byDefault: number,
  least: number,
  most: number,
  prefix = '',
): number {
  const value = given[name] === undefined ? byDefault : given[name]
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    const message = `options.${prefix}${name} must be an integer from ${least} to ${most}, not ${show(value)}`
    throw typeof value === 'number' ? outOfRange(message) : invalid(message)
  }
  return value as number
}

export function asObject(what: string, given: unknown): Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given) || !isPlainObject(given)) {
    throw invalid(`${what} must be a plain object, not ${show(given)}`)
  }
  return given as Record<string, unknown>
}

export function refuseUnknown(what: string, given: Record<string, unknown>, known: string[]): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name))
      throw invalid(`${what} has no option ${show(name)}; there are ${known.join(', ')}`)
  }
}

export function show(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 80, maxArrayLength: 3 })
}
