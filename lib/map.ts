import { inspect, type InspectOptions } from 'node:util'
import { ForkstoreError } from './errors.js'
import { Queryable } from './query.js'
import type { Key } from './types.js'

/** Fields that can be patched; any, where the type of the values is not told. */
export type Fields<V> = unknown extends V ? Record<string, unknown> : Partial<V>

/** Names of fields; any, where the type of the values is not told. */
export type FieldName<V> = unknown extends V ? string : keyof V & string

/**
 * A map of the store: the whole interface of JavaScript's `Map`; `patch`, `increment` and `live`; and the methods of
 * queries (`filter`, `map`, `count` ...). Values are copied in by `set` and copied out by `get`.
 *
 * Errors, besides those each method names: `ERR_FORKSTORE_CLOSED` after `store.close()`;
 * `ERR_FORKSTORE_UNSUPPORTED_KEY` for a key that is no string, number or bigint.
 */
export abstract class ForkstoreMap<V = unknown, K extends Key = Key>
  extends Queryable<V, K>
  implements Map<K, V>
{
  abstract readonly name: string
  /** Number of entries. */
  abstract get size(): number
  /** A plain copy of the value, or undefined. */
  abstract get(key: K): V | undefined
  /**
   * A live view of the value: changing its members changes the entry, in place. undefined when the key is not there; a
   * copy when the value is no object or array. Views throw `ERR_FORKSTORE_DETACHED` once the entry was set anew or deleted,
   * and may do so when the transaction in which `live` was first called for the entry is taken back.
   *
   * The first call for an entry is a change of the store to the callbacks of queries over maps: what they were given
   * before throws `ERR_FORKSTORE_DETACHED` from then on, the row of this very entry included. Read it first, or read the live view.
   */
  abstract live(key: K): V | undefined
  abstract has(key: K): boolean
  /**
   * Stores a copy. A refused value changes nothing. Errors: `ERR_FORKSTORE_UNSUPPORTED_VALUE` (the
   * message names the path), `ERR_FORKSTORE_TOO_LARGE`, `ERR_FORKSTORE_FULL`.
   */
  abstract set(key: K, value: V): this
  /** Whether the key was there. */
  abstract delete(key: K): boolean
  /** Removes everything, at once; the memory is given back in small steps. */
  abstract clear(): void
  /**
   * Changes some fields of an object, in place, leaving the others. Errors: `ERR_FORKSTORE_NOT_FOUND` when
   * the key is not there, `ERR_FORKSTORE_WRONG_TYPE` when the value is no plain object, and those of `set`.
   */
  abstract patch(key: K, fields: Fields<V>): this
  /**
   * Adds `by` (default 1) to a number field of an object; a missing or undefined field counts as 0.
   * Returns the new number. Errors: `ERR_FORKSTORE_NOT_FOUND` when the key is not there,
   * `ERR_FORKSTORE_WRONG_TYPE` when the value is no plain object or the field no number.
   */
  abstract increment(key: K, field: FieldName<V>, by?: number): number
  abstract keys(): MapIterator<K>
  abstract values(): MapIterator<V>
  abstract entries(): MapIterator<[K, V]>

  forEach(callback: (value: V, key: K, map: Map<K, V>) => void, thisArg?: unknown): void {
    if (typeof callback !== 'function') {
      throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'forEach: the callback must be a function')
    }
    for (const [key, value] of this.entries()) callback.call(thisArg, value, key, this)
  }

  /** The value; when the key is not there, stores `value` first. Returns a copy of what is stored. */
  getOrInsert(key: K, value: V): V {
    if (!this.has(key)) this.set(key, value)
    return this.get(key) as V
  }

  /** As `getOrInsert`, with a value that is computed only when it is needed. */
  getOrInsertComputed(key: K, compute: (key: K) => V): V {
    if (typeof compute !== 'function') {
      throw new ForkstoreError(
        'ERR_FORKSTORE_INVALID_ARGUMENT',
        'getOrInsertComputed: the second argument must be a function',
      )
    }
    if (!this.has(key)) this.set(key, compute(key === 0 ? (0 as K) : key)) // -0 is the key 0
    return this.get(key) as V
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'Map'
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    try {
      return this.#show(options)
    } catch (error) {
      // A message that shows the map must not fail for it.
      if (error instanceof ForkstoreError && error.code === 'ERR_FORKSTORE_CLOSED')
        return 'ForkstoreMap(closed)'
      throw error
    }
  }

  #show(options: InspectOptions): string {
    const shown = new Map<K, V>()
    const most = options.maxArrayLength ?? Infinity
    for (const [key, value] of this.entries()) {
      if (shown.size >= most) break
      shown.set(key, value)
    }
    const rest = this.size - shown.size
    return `Forkstore${inspect(shown, options)}${rest > 0 ? ` and ${rest} more` : ''}`
  }
}
