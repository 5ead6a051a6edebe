import { invalid } from '../base/errors.js'
import { define } from '../base/define.js'
import { asObject, refuseUnknown } from '../base/option-checks.js'
import { isPlainObject, noNumber } from '../base/value-errors.js'

/** What the methods of maps are given, checked. */

/** The names that `patch` is to take out. */
export function removedNames(fields: unknown, options: unknown): readonly string[] {
  if (options === undefined) return []
  const given = asObject('patch: the options', options)
  refuseUnknown('patch', given, ['remove'])
  const { remove = [] } = given
  if (!Array.isArray(remove) || !remove.every((name) => typeof name === 'string')) {
    throw invalid('patch: remove must be an array of names of fields')
  }
  for (const name of remove) {
    if (typeof fields === 'object' && fields !== null && Object.hasOwn(fields, name)) {
      throw invalid(`patch: ${JSON.stringify(name)} cannot be both set and removed`)
    }
  }
  return remove.slice()
}

export function checkAmount(by: unknown): asserts by is number {
  if (typeof by !== 'number') throw invalid('increment: the amount must be a number')
}

/** `initial` of the options; undefined: there is none. */
export function initialValue(options: unknown): unknown {
  if (options === undefined) return undefined
  const given = asObject('increment: the options', options)
  refuseUnknown('increment', given, ['initial'])
  return given['initial']
}

/** The first value of an entry that is an object, and what its field then is. */
export function initialObject(
  mapName: string,
  key: unknown,
  field: string,
  by: number,
  initial: unknown,
): { value: object; sum: number } {
  if (typeof initial !== 'object' || initial === null || Array.isArray(initial) || !isPlainObject(initial)) {
    throw invalid('increment: initial must be a plain object, as the entry is to be')
  }
  const value: Record<string, unknown> = { ...initial }
  const before = Object.hasOwn(value, field) ? value[field] : undefined
  if (before !== undefined && typeof before !== 'number') throw noNumber(mapName, key, field)
  const sum = (before ?? 0) + by
  define(value, field, sum)
  return { value, sum }
}
