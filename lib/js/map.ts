import { ForkstoreError } from '../errors.js'
import { ForkstoreMap } from '../map.js'
import type { Key } from '../types.js'
import {
  isKeyTooLong,
  isPlainObject,
  keyTooLong,
  noNumber,
  noObject,
  notFound,
  unsupportedKey,
} from '../value-errors.js'
import { copyIn, copyOut, defineField, isStoredObject, type Plain } from './copy.js'
import { CopyingIterator } from './iterator.js'
import { BadLog } from './log-file.js'
import type { ReadMap } from './snapshot-file.js'

/** What a map needs of its engine. */
export interface MapOwner {
  /** Throws ERR_FORKSTORE_CLOSED when the engine is closed. */
  assertOpen(): void
  /** Counts one write. */
  wrote(): void
  /** Whether there is a log. */
  readonly isLogged: boolean
  /**
   * Puts an operation (log-file.ts) into the log; `isJson`: JSON can say it. Called before the change, which must then
   * come. Errors: ERR_FORKSTORE_LOG_FAILED, ERR_FORKSTORE_TOO_LARGE.
   */
  record(operation: readonly unknown[], isJson: boolean): void
}

/** A map over a JavaScript Map of deep copies. */
export class JsMap extends ForkstoreMap {
  /** The copies. Read by the snapshot writer. */
  readonly stored: Map<Key, unknown>
  /** Keys of the entries that JSON alone would not bring back; mostly few or none. */
  readonly notJson: Set<Key>
  readonly #owner: MapOwner

  constructor(
    override readonly name: string,
    owner: MapOwner,
    stored = new Map<Key, unknown>(),
    notJson = new Set<Key>(),
  ) {
    super()
    this.#owner = owner
    this.stored = stored
    this.notJson = notJson
  }

  /** Lets go of the data. REQUIRES: the owner is closed. */
  forget(): void {
    this.stored.clear()
    this.notJson.clear()
  }

  override get size(): number {
    this.#owner.assertOpen()
    return this.stored.size
  }

  override get(key: Key): unknown {
    this.#check(key)
    return copyOut(this.stored.get(key))
  }

  override has(key: Key): boolean {
    this.#check(key)
    return this.stored.has(key)
  }

  override set(key: Key, value: unknown): this {
    this.#check(key)
    const copied = copyIn(this.name, key, value)
    this.#owner.assertOpen() // a getter of the value's may have closed the store
    this.#record('set', key, copied.isJson, copied.value)
    this.#store(key, copied.value, copied.isJson)
    return this
  }

  override delete(key: Key): boolean {
    this.#check(key)
    if (!this.stored.has(key)) return false
    this.#record('delete', key, true)
    this.stored.delete(key)
    this.notJson.delete(key)
    this.#owner.wrote()
    return true
  }

  override clear(): void {
    this.#owner.assertOpen()
    if (this.stored.size === 0) return
    if (this.#owner.isLogged) this.#owner.record(['clear', this.name], true)
    this.stored.clear()
    this.notJson.clear()
    this.#owner.wrote()
  }

  override patch(key: Key, fields: Plain): this {
    this.#check(key)
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields) || !isPlainObject(fields)) {
      throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'patch: the fields must be a plain object')
    }
    this.#object(key)
    const copied = copyIn(this.name, key, fields)
    this.#owner.assertOpen()
    const value = this.#object(key) // a getter of the fields may have changed it
    const names = Object.keys(copied.value as Plain)
    if (names.length === 0) return this
    this.#record('patch', key, copied.isJson, copied.value)
    for (const name of names) defineField(value, name, (copied.value as Plain)[name])
    this.#store(key, value, copied.isJson && !this.notJson.has(key))
    return this
  }

  override increment(key: Key, field: string, by = 1): number {
    this.#check(key)
    if (typeof field !== 'string') {
      throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'increment: the field must be a string')
    }
    if (typeof by !== 'number') {
      throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'increment: the amount must be a number')
    }
    const value = this.#object(key)
    const before = Object.hasOwn(value, field) ? value[field] : undefined
    if (before !== undefined && typeof before !== 'number') {
      throw noNumber(this.name, key, field)
    }
    const after = (before ?? 0) + by
    this.#record('patch', key, Number.isFinite(after) && !Object.is(after, -0), { [field]: after })
    defineField(value, field, after)
    this.#store(key, value, Number.isFinite(after) && !Object.is(after, -0) && !this.notJson.has(key))
    return after
  }

  override keys(): MapIterator<Key> {
    return this.#iterate((entry) => entry[0])
  }

  override values(): MapIterator<unknown> {
    return this.#iterate((entry) => copyOut(entry[1]))
  }

  override entries(): MapIterator<[Key, unknown]> {
    return this.#iterate((entry) => [entry[0], copyOut(entry[1])])
  }

  #iterate<T>(select: (entry: [Key, unknown]) => T): MapIterator<T> {
    this.#owner.assertOpen()
    return new CopyingIterator(this.stored.entries(), select, this.#owner) as unknown as MapIterator<T>
  }

  #store(key: Key, value: unknown, isJson: boolean): void {
    if (!isJson || !isJsonKey(key)) this.notJson.add(key)
    else if (this.notJson.size > 0) this.notJson.delete(key)
    this.stored.set(key, value)
    this.#owner.wrote()
  }

  #record(kind: string, key: Key, isJson: boolean, ...rest: unknown[]): void {
    if (this.#owner.isLogged) this.#owner.record([kind, this.name, key, ...rest], isJson && isJsonKey(key))
  }

  #object(key: Key): Plain {
    const value = this.stored.get(key)
    if (isStoredObject(value)) return value
    if (!this.stored.has(key)) throw notFound(this.name, key)
    throw noObject(this.name, key)
  }

  #check(key: unknown): void {
    this.#owner.assertOpen()
    if (typeof key !== 'string') {
      if (typeof key === 'number' || typeof key === 'bigint') return
      throw unsupportedKey(this.name, key)
    }
    if (isKeyTooLong(key)) throw keyTooLong(this.name, key)
  }
}

/** Applies an operation that a log holds. Throws BadLog for one that no map has recorded. */
export function replayOperation(
  maps: Map<string, ReadMap>,
  operation: readonly unknown[],
  isJson: boolean,
): void {
  const [kind, name, key, value] = operation
  if (typeof name !== 'string' || name === '') throw new BadLog('an operation on no map')
  const map = maps.get(name)
  if (kind === 'map') {
    if (map === undefined) maps.set(name, { name, stored: new Map(), notJson: new Set() })
    return
  }
  if (map === undefined) throw new BadLog('an operation on a map that there is not')
  if (kind === 'clear') {
    map.stored.clear()
    map.notJson.clear()
    return
  }
  if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint') {
    throw new BadLog('a key of a kind that there is not')
  }
  if (kind === 'delete') {
    map.stored.delete(key)
    map.notJson.delete(key)
  } else if (kind === 'set' && operation.length === 4) {
    map.stored.set(key, value)
    if (isJson) map.notJson.delete(key)
    else map.notJson.add(key)
  } else if (kind === 'patch') {
    const object = map.stored.get(key)
    if (!isStoredObject(object) || !isStoredObject(value)) throw new BadLog('a patch of no object')
    for (const field of Object.keys(value)) defineField(object, field, value[field])
    if (!isJson) map.notJson.add(key)
  } else {
    throw new BadLog('an operation of unknown kind')
  }
}

function isJsonKey(key: Key): boolean {
  return typeof key === 'string' || (typeof key === 'number' && Number.isFinite(key))
}
