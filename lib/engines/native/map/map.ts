import { invalid } from '../../../base/errors.js'
import { ForkstoreMap } from '../../../collections/map.js'
import { ADD_TO_FIELD, IN_SCOPE, REMOVE_FIELDS, SET_FIELDS } from '../../../collections/map-hooks.js'
import type { Fields } from '../../../collections/map-types.js'
import { ROWS } from '../../../collections/query.js'
import { inScope } from '../../../collections/scopes.js'
import type { Place, Scan } from '../../../contract/tree-engine.js'
import type { Key } from '../../../base/types.js'
import {
  describePath,
  dropped,
  isKeyTooLong,
  isPlainObject,
  keyTooLong,
  noNumber,
  noObject,
  notFound,
  unsupportedKey,
} from '../../../base/value-errors.js'
import type { NativeMap as Handle } from '../binding.js'
import type { Decoder } from '../codec/decoder.js'
import type { EngineState } from '../engine-state.js'
import type { PackedTree } from '../tree/packed.js'
import type { NativeTree } from '../tree/tree.js'
import { ENTRIES, iterate, KEYS, VALUES, type IterationSource } from './iterator.js'
import { keyKind, writeKey } from '../codec/keys.js'
import { MapRows } from './map-rows.js'
import { ADOPT, CLEAR, DELETE, INCREMENT, PATCH, SET, type Operation } from '../codec/operation.js'
import { HEAD_BYTES } from '../codec/operation-buffer.js'
import { MapSite, type Site } from '../codec/writers.js'

/** The engine, as far as maps use it. */
interface MapEngine extends EngineState {
  readonly tree: NativeTree
  readonly packed: PackedTree
}

/** What a map shares with its iterators, and the engine with the map. */
export class MapState implements IterationSource {
  /** Every use fails with ERR_FORKSTORE_DETACHED while it is true. */
  isDropped = false
  #operations = 0

  constructor(
    readonly name: string,
    readonly id: number,
    readonly engine: MapEngine,
    readonly handle: Handle,
    readonly decoder: Decoder,
  ) {}

  get moved(): number {
    return this.engine.moved
  }

  check(): void {
    this.engine.check()
    if (this.isDropped) throw dropped(this.name)
  }

  get changes(): number {
    return this.#operations + this.engine.rollbacks
  }

  /** Called before each operation on the map: what was read before may be out of date from then on. */
  begin(): void {
    this.#operations++
    this.engine.tree.foreign++
    this.engine.changes++
  }

  /** Called when it has changed nothing. */
  cancel(): void {
    this.#operations--
    this.engine.tree.foreign--
    this.engine.changes--
  }
}

/**
 * A map of the C++ core. A write is encoded here into one operation and applied by one call; for a read,
 * one call finds the value's place in the arena, and it is decoded here.
 */
export class NativeMap<K extends Key = Key, V = unknown> extends ForkstoreMap<K, V> {
  readonly #state: MapState
  readonly #operation: Operation
  readonly #place: Place
  readonly #setSite: Site
  readonly #patchSite: Site

  constructor(state: MapState) {
    super()
    const { name } = state
    this.#state = state
    this.#operation = state.engine.operation
    this.#place = { parent: undefined, step: name }
    this.#setSite = new MapSite(name)
    this.#patchSite = new MapSite(name)
  }

  get name(): string {
    return this.#state.name
  }

  get size(): number {
    this.#state.check()
    return this.#state.handle.size()
  }

  get(key: K): V | undefined {
    const offset = this.#find(key)
    return offset === 0 ? undefined : (this.#state.decoder.value(offset) as V)
  }

  has(key: K): boolean {
    return this.#find(key) !== 0
  }

  set(key: K, value: V): this {
    this.#write(SET, key, value)
    return this
  }

  [SET_FIELDS](key: K, fields: Fields<V>): void {
    this.#state.check()
    this.#checkKey(key)
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields) || !isPlainObject(fields)) {
      throw invalid('patch: the fields must be a plain object')
    }
    // Before the encoding, which defines the shapes that it needs.
    this.#assertObject(key)
    this.#write(PATCH, key, fields)
  }

  [REMOVE_FIELDS](key: K, names: readonly string[]): void {
    const { decoder } = this.#state
    const offset = this.#find(key)
    if (decoder.nodeAt(offset) !== 0) {
      // Live views of it stay what they are.
      const view = this.live(key) as object
      for (const name of names) Reflect.deleteProperty(view, name)
      return
    }
    const value = decoder.value(offset) as object
    const there = names.filter((name) => Object.hasOwn(value, name))
    for (const name of there) Reflect.deleteProperty(value, name)
    if (there.length > 0) this.#write(SET, key, value)
  }

  [IN_SCOPE](change: () => void): void {
    inScope(this.#state.engine, change)
  }

  [ADD_TO_FIELD](key: K, field: string, by: number): number {
    this.#state.check()
    this.#checkKey(key)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this[ADD_TO_FIELD](key, field, by))
    const end = operation.encoder.encode(field, HEAD_BYTES + 8, this.#setSite, key)
    operation.double(HEAD_BYTES, by)
    this.#apply(INCREMENT, end, key, field)
    return operation.store.result[0] as number
  }

  delete(key: K): boolean {
    this.#state.check()
    this.#checkKey(key)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.delete(key))
    return this.#apply(DELETE, HEAD_BYTES, key)
  }

  clear(): void {
    const state = this.#state
    state.check()
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.clear())
    if (state.handle.size() === 0) return
    operation.head(CLEAR, state.id, 0)
    state.begin()
    const result = operation.store.apply(HEAD_BYTES)
    if (result < 0) {
      state.cancel()
      throw operation.failure(result, this.name)
    }
    state.engine.onWrite()
  }

  live(key: K): V | undefined {
    const { decoder, engine } = this.#state
    let offset = this.#find(key)
    if (offset === 0) return undefined
    if (decoder.isContainer(offset)) {
      this.#adopt(key)
      offset = this.#find(key)
    } else if (decoder.nodeAt(offset) === 0) {
      return decoder.value(offset) as V
    }
    return engine.tree.valueAt(offset, this.#place, key) as V
  }

  keys(): MapIterator<K> {
    this.#state.check()
    return iterate<K>(this.#state, KEYS)
  }

  values(): MapIterator<V> {
    this.#state.check()
    return iterate<V>(this.#state, VALUES)
  }

  entries(): MapIterator<[K, V]> {
    this.#state.check()
    return iterate<[K, V]>(this.#state, ENTRIES)
  }

  [ROWS](): Scan {
    return new MapRows(this.#state.engine, this.#place, this.#state)
  }

  /** Makes the entry's container nodes of their own. */
  #adopt(key: K): void {
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.#adopt(key))
    this.#apply(ADOPT, HEAD_BYTES, key)
  }

  /** Arena offset of the value; 0 when the key is not there. */
  #find(key: K): number {
    const state = this.#state
    state.check()
    if (typeof key === 'string') {
      if (isKeyTooLong(key)) throw keyTooLong(this.name, key)
      return state.handle.find(key)
    }
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.#find(key))
    const bytes = writeKey(operation, key, HEAD_BYTES, this.name)
    const offset = state.handle.findEncoded(keyKind(key), bytes)
    operation.settle()
    return offset
  }

  /** Errors: those that `patch` and `increment` have where there are no fields. */
  #assertObject(key: K): void {
    const offset = this.#find(key)
    if (offset === 0) throw notFound(this.name, key)
    const { decoder, engine } = this.#state
    const node = decoder.nodeAt(offset)
    const isObject = node === 0 ? decoder.isObject(offset) : !engine.tree.isArray(node)
    if (!isObject) throw noObject(this.name, key)
  }

  #write(code: number, key: K, value: unknown): void {
    const state = this.#state
    state.check()
    this.#checkKey(key)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.#write(code, key, value))
    const end = operation.encoder.encode(
      value,
      HEAD_BYTES,
      code === SET ? this.#setSite : this.#patchSite,
      key,
    )
    // A getter may have closed the store.
    state.check()
    this.#apply(code, end, key)
  }

  /** Applies the operation whose value ends at `end`; whether it changed something. */
  #apply(code: number, end: number, key: K, field?: string): boolean {
    const state = this.#state
    const operation = this.#operation
    let result: number
    if (typeof key === 'string') {
      operation.head(code, state.id, end - HEAD_BYTES)
      state.begin()
      result = state.handle.apply(end, key)
    } else {
      const bytes = writeKey(operation, key, end, this.name)
      operation.head(code | (keyKind(key) << 8), state.id, end - HEAD_BYTES)
      operation.words[3] = bytes
      state.begin()
      result = operation.store.apply(end + bytes)
    }
    // SET says whether the key is new: it is a change when it is not, too. A PATCH may have no fields.
    const isIdle = code === DELETE ? result === 0 : code === PATCH && end === HEAD_BYTES + 8
    if (isIdle || result < 0) state.cancel()
    if (operation.isLarge) operation.settle()
    if (result < 0) this.#fail(result, key, field)
    if (code === ADOPT) state.engine.onAdopt()
    else if (!isIdle) state.engine.onWrite()
    return !isIdle
  }

  #fail(result: number, key: K, field: string | undefined): never {
    const error = this.#operation.failure(result, describePath(this.name, key, []))
    const isOfFields = error.code === 'ERR_FORKSTORE_NOT_FOUND' || error.code === 'ERR_FORKSTORE_WRONG_TYPE'
    if (isOfFields) this.#assertObject(key)
    if (isOfFields && field !== undefined) throw noNumber(this.name, key, field)
    throw error
  }

  #checkKey(key: unknown): void {
    if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint') {
      throw unsupportedKey(this.name, key)
    }
  }
}
