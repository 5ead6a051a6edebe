import { invalid } from '../../../base/errors.js'
import { ForkstoreMap } from '../../../collections/map.js'
import { ADD_TO_FIELD, IN_SCOPE, REMOVE_FIELDS, SET_FIELDS } from '../../../collections/map-hooks.js'
import { ROWS } from '../../../collections/query.js'
import { inScope } from '../../../collections/scopes.js'
import type { Key } from '../../../base/types.js'
import { ABSENT, type Scan } from '../../../contract/tree-engine.js'
import {
  describePath,
  isKeyTooLong,
  isPlainObject,
  keyTooLong,
  noNumber,
  noObject,
  notFound,
  unsupportedKey,
} from '../../../base/value-errors.js'
import { copyIn, isStoredObject, type Plain } from './copy.js'
import { CopyingIterator } from './iterator.js'
import { isJsonKey } from './keys.js'
import type { MapContents, MapOwner } from './map-contents.js'
import type { Entry, Walk } from './ordered-map.js'
import type { JsTree } from './tree.js'

/** A map of deep copies. */
export class JsMap extends ForkstoreMap<Key, unknown> {
  readonly #contents: MapContents
  readonly #owner: MapOwner

  constructor(contents: MapContents, owner: MapOwner) {
    super()
    this.#contents = contents
    this.#owner = owner
  }

  override get name(): string {
    return this.#contents.name
  }

  override get size(): number {
    this.#contents.assertOpen()
    return this.#contents.stored.size
  }

  override get(key: Key): unknown {
    this.#check(key)
    return this.#owner.tree.members.copy(this.#contents.stored.get(key))
  }

  override live(key: Key): unknown {
    this.#check(key)
    return this.#owner.tree.liveOf(this.#contents.holder, key === 0 ? 0 : key, this.#contents.stored.get(key))
  }

  override has(key: Key): boolean {
    this.#check(key)
    return this.#contents.stored.has(key)
  }

  override set(key: Key, value: unknown): this {
    this.#check(key)
    const copied = copyIn((steps) => describePath(this.#contents.name, key, steps), value)
    this.#contents.assertOpen() // a getter of the value's may have closed the store, or dropped the map
    this.#record('set', key, copied.isJson, copied.value)
    this.#store(key, copied.value, copied.isJson)
    return this
  }

  override delete(key: Key): boolean {
    this.#check(key)
    if (!this.#contents.stored.has(key)) return false
    this.#record('delete', key, true)
    const { tree, undo } = this.#owner
    const value = this.#contents.stored.get(key)
    const entry = this.#contents.stored.delete(key) as Entry<Key, unknown>
    const wasNotJson = this.#contents.notJson.delete(key)
    if (undo.active) {
      undo.record(() => {
        this.#contents.stored.restore(entry, value)
        if (wasNotJson) this.#contents.notJson.add(key)
        tree.attach(value)
      })
    }
    tree.detach(value)
    this.#owner.wrote()
    return true
  }

  override clear(): void {
    const { tree, undo } = this.#owner
    this.#contents.assertOpen()
    if (this.#contents.stored.size === 0) return
    this.#owner.prepareChange()
    this.#owner.record(['clear', this.#contents.name], true)
    const entries = this.#contents.stored.clear()
    const notJson = [...this.#contents.notJson]
    this.#contents.notJson.clear()
    for (const { value } of entries) tree.detach(value)
    if (undo.active) {
      undo.record(() => {
        this.#contents.stored.restoreAll(entries)
        for (const { value } of entries) tree.attach(value)
        for (const key of notJson) this.#contents.notJson.add(key)
      })
    }
    this.#owner.wrote()
  }

  override [SET_FIELDS](key: Key, fields: Plain): void {
    this.#check(key)
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields) || !isPlainObject(fields)) {
      throw invalid('patch: the fields must be a plain object')
    }
    this.#object(key)
    const copied = copyIn((steps) => describePath(this.#contents.name, key, steps), fields)
    this.#contents.assertOpen()
    const value = this.#object(key) // a getter of the fields may have changed it
    const names = Object.keys(copied.value as Plain)
    if (names.length === 0) return
    this.#record('patch', key, copied.isJson, copied.value)
    for (const name of names) this.#owner.tree.setField(value, name, (copied.value as Plain)[name])
    if (!copied.isJson) this.#contents.markNotJson(key)
    this.#owner.wrote()
  }

  override [REMOVE_FIELDS](key: Key, names: readonly string[]): void {
    const view = this.live(key) as object
    for (const name of names) Reflect.deleteProperty(view, name)
  }

  override [IN_SCOPE](change: () => void): void {
    inScope(this.#owner, change)
  }

  override [ADD_TO_FIELD](key: Key, field: string, by: number): number {
    this.#check(key)
    const value = this.#object(key)
    const found = this.#owner.tree.members.get(value, field)
    const before = found === ABSENT || found === undefined ? 0 : found
    if (typeof before !== 'number') {
      throw noNumber(this.#contents.name, key, field)
    }
    const after = before + by
    const isJson = Number.isFinite(after) && !Object.is(after, -0)
    this.#record('patch', key, isJson, { [field]: after })
    this.#owner.tree.setField(value, field, after)
    if (!isJson) this.#contents.markNotJson(key)
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

  override [ROWS](): Scan {
    this.#contents.assertOpen()
    return new RowScan(this.#contents.stored.walkPresent(), this.#contents, this.#owner.tree)
  }

  #iterate<T>(select: (entry: Entry<Key, unknown>) => T): MapIterator<T> {
    this.#contents.assertOpen()
    return new CopyingIterator(
      this.#contents.stored.walk(),
      select,
      this.#contents,
    ) as unknown as MapIterator<T>
  }

  #store(key: Key, value: unknown, isJson: boolean): void {
    const { tree, undo } = this.#owner
    const there = this.#contents.stored.find(key)
    const before = there?.value
    if (undo.active) {
      const wasNotJson = this.#contents.notJson.has(key)
      undo.record(() => {
        if (there !== undefined) there.value = before
        else this.#contents.stored.delete(key)
        if (wasNotJson) this.#contents.notJson.add(key)
        else this.#contents.notJson.delete(key)
        tree.detach(value)
        tree.attach(before)
      })
    }
    if (!isJson || !isJsonKey(key)) this.#contents.notJson.add(key)
    else if (this.#contents.notJson.size > 0) this.#contents.notJson.delete(key)
    if (there !== undefined) there.value = value
    else this.#contents.stored.set(key, value)
    tree.detach(before)
    this.#owner.wrote()
  }

  #record(kind: string, key: Key, isJson: boolean, ...rest: unknown[]): void {
    this.#owner.prepareChange()
    if (this.#owner.isLogged)
      this.#owner.record([kind, this.#contents.name, key, ...rest], isJson && isJsonKey(key))
  }

  #object(key: Key): Plain {
    const value = this.#contents.stored.get(key)
    if (isStoredObject(value)) return value
    if (!this.#contents.stored.has(key)) throw notFound(this.#contents.name, key)
    throw noObject(this.#contents.name, key)
  }

  #check(key: unknown): void {
    this.#contents.assertOpen()
    if (typeof key !== 'string') {
      if (typeof key === 'number' || typeof key === 'bigint') return
      throw unsupportedKey(this.#contents.name, key)
    }
    if (isKeyTooLong(key)) throw keyTooLong(this.#contents.name, key)
  }
}

/** The entries for a query's callbacks. */
class RowScan implements Scan {
  constructor(
    readonly walk: Walk<Key, unknown>,
    readonly contents: MapContents,
    readonly tree: JsTree,
  ) {}

  next(): boolean {
    this.contents.assertOpen()
    return this.walk.step()
  }

  name(): Key {
    return this.walk.entry.key
  }

  value(): unknown {
    const { key, value } = this.walk.entry
    return this.tree.readOnlyOf(this.contents.holder, key, value)
  }
}
