import { inspect, types, type InspectOptionsStylized } from 'node:util'
import { ForkstoreError, invalid, notConstructible } from '../base/errors.js'
import { checkAmount, initialObject, initialValue, removedNames } from './map-arguments.js'
import { ADD_TO_FIELD, IN_SCOPE, REMOVE_FIELDS, SET_FIELDS } from './map-hooks.js'
import type { Amount, Fields, Given, RemovableField } from './map-types.js'
import { Queryable } from './query.js'
import { checkReceivers, isObject } from '../base/receivers.js'
import { showMap } from './show-map.js'
import { isThenable } from './scopes.js'
import type { DeepReadonly, Key } from '../base/types.js'
import { uncloneable } from '../base/uncloneable.js'
import { isPlainObject, noNumber, notFound } from '../base/value-errors.js'

const CANNOT_WAIT = 'must not be async, as an update cannot wait for anything: await first, then update'

/** What `store.maps()` gives: a map whose types of keys and values are not known. */
export type AnyMap = ForkstoreMap<Key, unknown>

/**
 * A map of the store: the whole interface of JavaScript's `Map`; `update`, `patch`, `increment` and `live`; and the
 * methods of queries (`filter`, `map`, `count` ...). Values are copied in by `set` and copied out by `get`.
 *
 * Errors, besides those each method names: `ERR_FORKSTORE_CLOSED` after `store.close()`;
 * `ERR_FORKSTORE_DETACHED` after `store.dropMap()`; `ERR_FORKSTORE_UNSUPPORTED_KEY` for a key that is no
 * string, number or bigint.
 */
export abstract class ForkstoreMap<K extends Key, V>
  extends Queryable<DeepReadonly<V>, K>
  implements Map<K, V>
{
  static {
    checkReceivers(this.prototype, (value) => isObject(value) && #add in value, 'map')
  }

  /** For the engines only. */
  constructor() {
    super()
    if (new.target === ForkstoreMap) throw notConstructible('ForkstoreMap', 'store.map(name)')
    uncloneable(this)
  }

  abstract get name(): string
  /** Number of entries. */
  abstract get size(): number
  /** A plain copy of the value, or undefined. */
  abstract get(key: K): V | undefined
  /**
   * A live view of the value: changing its members changes the entry, in place. undefined when the key is not
   * there; a copy when the value is no object or array. Views throw `ERR_FORKSTORE_DETACHED` once the entry
   * was set anew or deleted, and may do so when the transaction in which `live` was first called for the
   * entry is taken back.
   *
   * Within a query over a map, the first call for an entry counts as a change of the store: rows that callbacks
   * were given before it, the row of this entry too, throw `ERR_FORKSTORE_DETACHED` from then on. Read the
   * row first, or read the live view.
   */
  abstract live(key: K): V | undefined
  abstract has(key: K): boolean
  /**
   * Stores a copy. A refused value changes nothing. Errors: `ERR_FORKSTORE_UNSUPPORTED_VALUE` (the
   * message names the path), `ERR_FORKSTORE_TOO_LARGE`, `ERR_FORKSTORE_FULL`.
   */
  abstract set<Own extends V>(key: K, value: Given<V, Own>): this
  /** Whether the key was there. */
  abstract delete(key: K): boolean
  /** Removes everything, at once; the memory is given back in small steps. */
  abstract clear(): void
  abstract [SET_FIELDS](key: K, fields: Fields<V>): void
  abstract [REMOVE_FIELDS](key: K, names: readonly string[]): void
  abstract [ADD_TO_FIELD](key: K, field: string, by: number): number
  abstract [IN_SCOPE](change: () => void): void
  abstract keys(): MapIterator<K>
  abstract values(): MapIterator<V>
  abstract entries(): MapIterator<[K, V]>

  forEach(callback: (value: V, key: K, map: Map<K, V>) => void, thisArg?: unknown): void {
    if (typeof callback !== 'function') throw invalid('forEach: the callback must be a function')
    for (const [key, value] of this.entries()) callback.call(thisArg, value, key, this)
  }

  /**
   * Stores what `change` makes of a copy of the value (undefined when the key is not there), as `set` does,
   * and returns a copy of what is stored. When `change` throws, nothing is stored. `change` may write to the
   * store too, and these writes stay; but what it writes to this entry is replaced by what it returns.
   *
   * When `change` returns undefined: where there is no entry, none is made; where there is one, it is an
   * error, since mostly a `return` was forgotten. Errors: `ERR_FORKSTORE_INVALID_ARGUMENT` for that, and for
   * an async function or a promise, which an update cannot wait for; and those of `set`.
   */
  update(key: K, change: (value: V | undefined) => V): V {
    if (typeof change !== 'function') throw invalid('update: the second argument must be a function')
    if (types.isAsyncFunction(change)) throw invalid(`update: the function ${CANNOT_WAIT}`)
    const before = this.get(key)
    const after = change(before)
    if (isThenable(after)) throw invalid(`update: the function has returned a promise; it ${CANNOT_WAIT}`)
    if (after === undefined) {
      if (before === undefined) return after
      throw invalid(
        'update: the function has returned undefined in place of a value: return the new one; ' +
          'delete(key) removes the entry, set(key, undefined) stores undefined',
      )
    }
    return this.#put(key, after).get(key) as V
  }

  /**
   * Changes some fields of an object, in place, leaving the others; `remove` names fields to take out
   * (undefined is a value like any other). All or nothing. Errors: `ERR_FORKSTORE_NOT_FOUND` when the key is
   * not there, `ERR_FORKSTORE_WRONG_TYPE` when the value is no plain object, and those of `set`.
   */
  patch(key: K, fields: Fields<V>, options?: { remove?: readonly RemovableField<V>[] }): this {
    const names = removedNames(fields, options)
    if (names.length === 0) {
      this[SET_FIELDS](key, fields)
    } else {
      this[IN_SCOPE](() => {
        this[SET_FIELDS](key, fields)
        this[REMOVE_FIELDS](key, names)
      })
    }
    return this
  }

  /**
   * Adds `by` (default 1) to an entry that is a number: `increment(key, by?, options?)`; or to a number field
   * of an object, in place, where a missing or undefined field counts as 0: `increment(key, field, by?,
   * options?)`. Returns the new number. Where the key is not there, `initial` of the options is taken for the
   * value, and added to. Errors: `ERR_FORKSTORE_NOT_FOUND` when the key is not there and there is no
   * `initial`, `ERR_FORKSTORE_WRONG_TYPE` when the entry or field is no number, or the value no plain object.
   */
  increment(key: K, ...amount: Amount<V>): number
  increment(key: K, first?: unknown, second?: unknown, third?: unknown): number {
    if (typeof first !== 'string') return this.#add(key, first, second)
    const by = second === undefined ? 1 : second
    checkAmount(by)
    const initial = initialValue(third)
    if (initial === undefined || this.has(key)) return this[ADD_TO_FIELD](key, first, by)
    const { value, sum } = initialObject(this.name, key, first, by, initial)
    this.#put(key, value as V)
    return sum
  }

  /** `set`, for values whose type the compiler cannot check here. */
  #put(key: K, value: V): this {
    return this.set(key, value as never)
  }

  #add(key: K, amount: unknown, options: unknown): number {
    const by = amount === undefined ? 1 : amount
    checkAmount(by)
    const initial = initialValue(options)
    if (initial !== undefined && typeof initial !== 'number')
      throw invalid('increment: initial must be a number')
    let before: unknown = this.get(key)
    if (before === undefined && !this.has(key)) {
      if (initial === undefined) throw notFound(this.name, key)
      before = initial
    }
    if (typeof before !== 'number') {
      if (typeof before === 'object' && before !== null && isPlainObject(before)) {
        throw invalid('increment: the entry is an object; its field must be named, by a string')
      }
      throw noNumber(this.name, key)
    }
    const after = before + by
    this.#put(key, after as V)
    return after
  }

  /** The value; when the key is not there, stores `value` first. Returns a copy of what is stored. */
  getOrInsert(key: K, value: V): V {
    if (!this.has(key)) this.#put(key, value)
    return this.get(key) as V
  }

  /** As `getOrInsert`, with a value that is computed only when it is needed. */
  getOrInsertComputed(key: K, compute: (key: K) => V): V {
    if (typeof compute !== 'function') {
      throw invalid('getOrInsertComputed: the second argument must be a function')
    }
    if (!this.has(key)) this.#put(key, compute(key === 0 ? (0 as K) : key)) // -0 is the key 0
    return this.get(key) as V
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries()
  }

  /** 'Object' for objects that only have the prototype of a map: test runners make such for their messages. */
  get [Symbol.toStringTag](): string {
    return #add in this ? 'Map' : 'Object'
  }

  /** Tells Jest which members to copy of a map for its messages: none. */
  get [Symbol.for('@jest/serializableProperties')](): [] {
    return []
  }

  [inspect.custom](
    depth: number | null,
    options: InspectOptionsStylized,
    inspectValue: typeof inspect,
  ): string {
    try {
      return showMap(this, depth, options, inspectValue)
    } catch (error) {
      // console.log and messages of assertions show maps of closed stores too, and must not fail.
      const code = error instanceof ForkstoreError ? error.code : undefined
      if (code === 'ERR_FORKSTORE_CLOSED') return 'ForkstoreMap(closed)'
      if (code === 'ERR_FORKSTORE_DETACHED') return 'ForkstoreMap(dropped)'
      throw error
    }
  }
}
