import { types } from 'node:util'
import { ForkstoreError } from './errors.js'

/** The way from the root of a value to a part of it: property names, and indexes of arrays. */
export type Steps = readonly (string | number)[]

/** What both engines say of an object that is met again inside itself. */
export const CYCLE = 'a value that contains itself cannot be stored'

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u
const MOST_TEXT = 80
const MOST_STEPS = 16
const LARGE_BIGINT = 1n << 256n

/**
 * Whether this is an object that is stored by its own enumerable string keys: `{}`, `Object.create(null)`,
 * and the same from another realm. Not asked of arrays, dates and bytes. Never true for a Proxy, which
 * structuredClone refuses too.
 */
export function isPlainObject(value: object): boolean {
  if (types.isProxy(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype) return true
  if (prototype === null) return !types.isModuleNamespaceObject(value)
  // Another realm's Object.prototype is known by its place, at the end of the chain, and by a method
  // that every such object has of its own.
  return (
    !types.isProxy(prototype) &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype as object, 'isPrototypeOf')
  )
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array
// Taken once, before anybody can replace them.
const getLength = Reflect.get(Object.getOwnPropertyDescriptor(typedArray, 'length')!, 'get') as (
  this: Uint8Array,
) => number
const getKeys = Reflect.get(typedArray, 'keys') as (this: Uint8Array) => unknown

/** How many bytes there really are. The `length` of an instance, or of a subclass, may say anything. */
export function lengthOf(bytes: Uint8Array): number {
  return getLength.call(bytes)
}

/**
 * Whether the memory of these bytes was transferred away, or resized to before them. Such bytes have no
 * contents to store.
 */
export function isWithoutMemory(bytes: Uint8Array): boolean {
  if (lengthOf(bytes) !== 0) return false
  try {
    // It does nothing but look at that.
    getKeys.call(bytes)
    return false
  } catch {
    return true
  }
}

/** Says of a value that is no storable one why it is refused, e.g. `a function cannot be stored`. */
export function refusal(what: unknown): string {
  return `${kindOf(what)} cannot be stored`
}

/**
 * Names a part of a value in the way one would write it: `users["a@b"].tags[2]`. Long keys, names and
 * ways are shortened, so that a message never grows with the data.
 */
export function describePath(mapName: string, key: unknown, steps: Steps): string {
  return `${shorten(mapName)}[${describeKey(key)}]${describeSteps(steps)}`
}

/** The part of a path behind the entry or the root. */
export function describeSteps(steps: Steps): string {
  const left = steps.length - MOST_STEPS
  const half = MOST_STEPS / 2
  const way =
    left > 0
      ? [
          ...steps.slice(0, half).map(describeStep),
          ` (${left} more) `,
          ...steps.slice(-half).map(describeStep),
        ]
      : steps.map(describeStep)
  return way.join('')
}

function describeStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`
  return step.length <= MOST_TEXT && IDENTIFIER.test(step) ? `.${step}` : `[${quote(step)}]`
}

/** A key as it is shown in messages. */
export function describeKey(key: unknown): string {
  if (typeof key === 'string') return quote(key)
  if (typeof key === 'number') return String(key)
  // Decimal digits of a huge bigint take quadratic time.
  if (typeof key === 'bigint') return key < LARGE_BIGINT && key > -LARGE_BIGINT ? `${key}n` : 'a large bigint'
  return kindOf(key)
}

/** Limit of a key in both engines: a text of characters up to 0xFF takes one byte for each, any other two. */
const MOST_KEY_BYTES = 2 ** 29

/** Whether a text is too long for a key. */
export function isKeyTooLong(key: string): boolean {
  return key.length > MOST_KEY_BYTES / 2 && (key.length > MOST_KEY_BYTES || /[^\x00-\xff]/.test(key))
}

/** The error for such a text. */
export function keyTooLong(mapName: string, key: unknown): ForkstoreError {
  return new ForkstoreError(
    'ERR_FORKSTORE_TOO_LARGE',
    `${describePath(mapName, key, [])}: a key of more than ${MOST_KEY_BYTES} bytes cannot be stored`,
  )
}

/** The error of every use of a map that was dropped. */
export function dropped(mapName: string): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_DETACHED', `${shorten(mapName)}: the map was dropped`)
}

/** The error for a key that is not there, of `patch` and `increment`. */
export function notFound(mapName: string, key: unknown): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_NOT_FOUND', `${describePath(mapName, key, [])} is not there`)
}

/** The error of `patch` and `increment` for a value that has no fields. */
export function noObject(mapName: string, key: unknown): ForkstoreError {
  return new ForkstoreError(
    'ERR_FORKSTORE_WRONG_TYPE',
    `${describePath(mapName, key, [])}: only a plain object has fields`,
  )
}

/** The error of `increment` for a field, or an entry, that is no number. */
export function noNumber(mapName: string, key: unknown, ...steps: Steps): ForkstoreError {
  return new ForkstoreError(
    'ERR_FORKSTORE_WRONG_TYPE',
    `${describePath(mapName, key, steps)}: only a number can be incremented`,
  )
}

/** The error for a key that is no string, number or bigint. */
export function unsupportedKey(mapName: string, key: unknown): ForkstoreError {
  return new ForkstoreError(
    'ERR_FORKSTORE_UNSUPPORTED_KEY',
    `${shorten(mapName)}: a key must be a string, number or bigint, not ${kindOf(key)}`,
  )
}

function kindOf(what: unknown): string {
  if (what === null || what === undefined) return String(what)
  if (typeof what === 'function') return 'a function'
  if (typeof what !== 'object') return withArticle(typeof what)
  if (types.isProxy(what)) return 'a Proxy'
  if (types.isBoxedPrimitive(what)) return `a boxed ${typeof (what as { valueOf(): unknown }).valueOf()}`
  if (types.isNativeError(what)) return 'an Error'
  if (types.isUint8Array(what))
    return isWithoutMemory(what) ? 'a Uint8Array whose memory is gone' : 'a Uint8Array'
  if (types.isModuleNamespaceObject(what)) return 'a module'
  if (Array.isArray(what)) return 'an array'
  if (isPlainObject(what)) return 'an object'
  const name = constructorName(what)
  if (name === undefined) return 'an object with a prototype of its own'
  return isBuiltIn(what, name) ? withArticle(name) : `an instance of ${shorten(name)}`
}

/** The name of the class, read without running any code of the value's. */
function constructorName(what: object): string | undefined {
  for (
    let at: unknown = Object.getPrototypeOf(what);
    at !== null && !types.isProxy(at);
    at = Object.getPrototypeOf(at)
  ) {
    const made: unknown = Object.getOwnPropertyDescriptor(at, 'constructor')?.value
    if (typeof made !== 'function' || types.isProxy(made)) continue
    const name: unknown = Object.getOwnPropertyDescriptor(made, 'name')?.value
    if (typeof name === 'string' && name !== '' && name !== 'Object') return name
  }
  return undefined
}

function isBuiltIn(what: object, name: string): boolean {
  const known: unknown = (globalThis as Record<string, unknown>)[name]
  return typeof known === 'function' && Object.getPrototypeOf(what) === known.prototype
}

function withArticle(name: string): string {
  return /^[AEIO]|^Un/i.test(name) ? `an ${name}` : `a ${name}`
}

function quote(text: string): string {
  return JSON.stringify(shorten(text))
}

/** A text as it is shown in messages. */
export function shorten(text: string): string {
  return text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT)}…`
}
