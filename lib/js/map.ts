import { ForkstoreError } from '../errors.js'
import { ForkstoreMap } from '../map.js'
import type { Key } from '../types.js'
import { ABSENT, type Scan } from '../tree/tree-engine.js'
import {
  describePath,
  isKeyTooLong,
  isPlainObject,
  keyTooLong,
  noNumber,
  noObject,
  notFound,
  unsupportedKey,
} from '../value-errors.js'
import { copyIn, isStoredObject, type Plain } from './copy.js'
import { CopyingIterator } from './iterator.js'
import { isJsonKey } from './keys.js'
import { OrderedMap, type Entry, type Walk } from './ordered-map.js'
import type { Holder, JsTree, TreeOwner } from './tree.js'

/** What a map needs of its engine. */
export interface MapOwner extends TreeOwner {
  readonly tree: JsTree
}

/** A map of deep copies. */
export class JsMap extends ForkstoreMap {
  /** The copies. Read by the snapshot writer. */
  readonly stored: OrderedMap<Key, unknown>
  /** Keys of the entries that JSON alone would not bring back; mostly few or none. */
  readonly notJson: Set<Key>
  readonly #owner: MapOwner
  /** The map as the place of its entries. */
  readonly #holder: Holder

  constructor(
    override readonly name: string,
    owner: MapOwner,
    stored = new OrderedMap<Key, unknown>(),
    notJson = new Set<Key>(),
  ) {
    super()
    this.#owner = owner
    this.stored = stored
    this.notJson = notJson
    this.#holder = {
      parent: undefined,
      step: name,
      // Whatever was changed there: tables can say it.
      changed: (key) => this.#markNotJson(key),
    }
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
    return this.#owner.tree.members.copy(this.stored.get(key))
  }

  override live(key: Key): unknown {
    this.#check(key)
    return this.#owner.tree.liveOf(this.#holder, key === 0 ? 0 : key, this.stored.get(key))
  }

  override has(key: Key): boolean {
    this.#check(key)
    return this.stored.has(key)
  }

  override set(key: Key, value: unknown): this {
    this.#check(key)
    const copied = copyIn((steps) => describePath(this.name, key, steps), value)
    this.#owner.assertOpen() // a getter of the value's may have closed the store
    this.#record('set', key, copied.isJson, copied.value)
    this.#store(key, copied.value, copied.isJson)
    return this
  }

  override delete(key: Key): boolean {
    this.#check(key)
    if (!this.stored.has(key)) return false
    this.#record('delete', key, true)
    const { tree, undo } = this.#owner
    const value = this.stored.get(key)
    const entry = this.stored.delete(key) as Entry<Key, unknown>
    const wasNotJson = this.notJson.delete(key)
    if (undo.active) {
      undo.record(() => {
        this.stored.restore(entry, value)
        if (wasNotJson) this.notJson.add(key)
        tree.attach(value)
      })
    }
    tree.detach(value)
    this.#owner.wrote()
    return true
  }

  override clear(): void {
    const { tree, undo } = this.#owner
    this.#owner.assertOpen()
    if (this.stored.size === 0) return
    this.#owner.prepareChange()
    this.#owner.record(['clear', this.name], true)
    const entries = this.stored.clear()
    const notJson = [...this.notJson]
    this.notJson.clear()
    for (const { value } of entries) tree.detach(value)
    if (undo.active) {
      undo.record(() => {
        this.stored.restoreAll(entries)
        for (const { value } of entries) tree.attach(value)
        for (const key of notJson) this.notJson.add(key)
      })
    }
    this.#owner.wrote()
  }

  override patch(key: Key, fields: Plain): this {
    this.#check(key)
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields) || !isPlainObject(fields)) {
      throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'patch: the fields must be a plain object')
    }
    this.#object(key)
    const copied = copyIn((steps) => describePath(this.name, key, steps), fields)
    this.#owner.assertOpen()
    const value = this.#object(key) // a getter of the fields may have changed it
    const names = Object.keys(copied.value as Plain)
    if (names.length === 0) return this
    this.#record('patch', key, copied.isJson, copied.value)
    for (const name of names) this.#owner.tree.setField(value, name, (copied.value as Plain)[name])
    if (!copied.isJson) this.#markNotJson(key)
    this.#owner.wrote()
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
    const found = this.#owner.tree.members.get(value, field)
    const before = found === ABSENT || found === undefined ? 0 : found
    if (typeof before !== 'number') {
      throw noNumber(this.name, key, field)
    }
    const after = before + by
    const isJson = Number.isFinite(after) && !Object.is(after, -0)
    this.#record('patch', key, isJson, { [field]: after })
    this.#owner.tree.setField(value, field, after)
    if (!isJson) this.#markNotJson(key)
    this.#owner.wrote()
    return after
  }

  override keys(): MapIterator<Key> {
    return this.#iterate((entry) => entry.key)
  }

  override values(): MapIterator<unknown> {
    const { members } = this.#owner.tree
    return this.#iterate((entry) => members.copy(entry.value))
  }

  override entries(): MapIterator<[Key, unknown]> {
    const { members } = this.#owner.tree
    return this.#iterate((entry) => [entry.key, members.copy(entry.value)])
  }

  protected override rows(): Scan {
    this.#owner.assertOpen()
    return new RowScan(this.stored.walk(), this.#holder, this.#owner)
  }

  #iterate<T>(select: (entry: Entry<Key, unknown>) => T): MapIterator<T> {
    this.#owner.assertOpen()
    return new CopyingIterator(this.stored.walk(), select, this.#owner) as unknown as MapIterator<T>
  }

  #store(key: Key, value: unknown, isJson: boolean): void {
    const { tree, undo } = this.#owner
    const there = this.stored.find(key)
    const before = there?.value
    if (undo.active) {
      const wasNotJson = this.notJson.has(key)
      undo.record(() => {
        if (there !== undefined) there.value = before
        else this.stored.delete(key)
        if (wasNotJson) this.notJson.add(key)
        else this.notJson.delete(key)
        tree.detach(value)
        tree.attach(before)
      })
    }
    if (!isJson || !isJsonKey(key)) this.notJson.add(key)
    else if (this.notJson.size > 0) this.notJson.delete(key)
    if (there !== undefined) there.value = value
    else this.stored.set(key, value)
    tree.detach(before)
    this.#owner.wrote()
  }

  /** Not taken back: a table can say what JSON can, too. */
  #markNotJson(key: Key): void {
    this.notJson.add(key)
  }

  #record(kind: string, key: Key, isJson: boolean, ...rest: unknown[]): void {
    this.#owner.prepareChange()
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

/** The entries for a query's callbacks. */
class RowScan implements Scan {
  constructor(
    readonly walk: Walk<Key, unknown>,
    readonly holder: Holder,
    readonly owner: MapOwner,
  ) {}

  next(): boolean {
    this.owner.assertOpen()
    return this.walk.step()
  }

  name(): Key {
    return this.walk.entry.key
  }

  value(): unknown {
    const { key, value } = this.walk.entry
    return this.owner.tree.readOnlyOf(this.holder, key, value)
  }
}
