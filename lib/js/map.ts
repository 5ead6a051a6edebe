import { ForkstoreError } from '../errors.js'
import { ForkstoreMap } from '../map.js'
import type { Key } from '../types.js'
import type { Scan } from '../tree/tree-engine.js'
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
import { copyIn, copyOut, isStoredObject, type Plain } from './copy.js'
import { CopyingIterator } from './iterator.js'
import { isJsonKey } from './keys.js'
import type { Holder, JsTree, TreeOwner } from './tree.js'

/** What a map needs of its engine. */
export interface MapOwner extends TreeOwner {
  readonly tree: JsTree
}

/** A map over a JavaScript Map of deep copies. */
export class JsMap extends ForkstoreMap {
  /** The copies. Read by the snapshot writer. */
  readonly stored: Map<Key, unknown>
  /** Keys of the entries that JSON alone would not bring back; mostly few or none. */
  readonly notJson: Set<Key>
  readonly #owner: MapOwner
  /** The map as the place of its entries. */
  readonly #holder: Holder

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
    return copyOut(this.stored.get(key))
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
    if (undo.active) {
      const entries = [...this.stored]
      const wasNotJson = this.notJson.has(key)
      const behind = entries.slice(entries.findIndex(([each]) => Object.is(each, key === 0 ? 0 : key)) + 1)
      undo.record(() => {
        this.stored.set(key, value)
        for (const [each, kept] of behind) {
          this.stored.delete(each)
          this.stored.set(each, kept)
        }
        if (wasNotJson) this.notJson.add(key)
        tree.attach(value)
      })
    }
    this.stored.delete(key)
    this.notJson.delete(key)
    tree.detach(value)
    this.#owner.wrote()
    return true
  }

  override clear(): void {
    const { tree, undo } = this.#owner
    this.#owner.assertOpen()
    if (this.stored.size === 0) return
    this.#owner.record(['clear', this.name], true)
    if (undo.active) {
      const entries = [...this.stored]
      const notJson = [...this.notJson]
      undo.record(() => {
        for (const [key, value] of entries) {
          this.stored.set(key, value)
          tree.attach(value)
        }
        for (const key of notJson) this.notJson.add(key)
      })
    }
    for (const value of this.stored.values()) tree.detach(value)
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
    const before = Object.hasOwn(value, field) ? value[field] : undefined
    if (before !== undefined && typeof before !== 'number') {
      throw noNumber(this.name, key, field)
    }
    const after = (before ?? 0) + by
    const isJson = Number.isFinite(after) && !Object.is(after, -0)
    this.#record('patch', key, isJson, { [field]: after })
    this.#owner.tree.setField(value, field, after)
    if (!isJson) this.#markNotJson(key)
    this.#owner.wrote()
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

  protected override rows(): Scan {
    this.#owner.assertOpen()
    return new RowScan(this.stored.entries(), this.#holder, this.#owner)
  }

  #iterate<T>(select: (entry: [Key, unknown]) => T): MapIterator<T> {
    this.#owner.assertOpen()
    return new CopyingIterator(this.stored.entries(), select, this.#owner) as unknown as MapIterator<T>
  }

  #store(key: Key, value: unknown, isJson: boolean): void {
    const { tree, undo } = this.#owner
    const before = this.stored.get(key)
    if (undo.active) {
      const wasThere = this.stored.has(key)
      const wasNotJson = this.notJson.has(key)
      undo.record(() => {
        if (wasThere) this.stored.set(key, before)
        else this.stored.delete(key)
        if (wasNotJson) this.notJson.add(key)
        else this.notJson.delete(key)
        tree.detach(value)
        tree.attach(before)
      })
    }
    if (!isJson || !isJsonKey(key)) this.notJson.add(key)
    else if (this.notJson.size > 0) this.notJson.delete(key)
    this.stored.set(key, value)
    tree.detach(before)
    this.#owner.wrote()
  }

  /** Not taken back: a table can say what JSON can, too. */
  #markNotJson(key: Key): void {
    this.notJson.add(key)
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

/** The entries for a query's callbacks. */
class RowScan implements Scan {
  #entry: [Key, unknown] | undefined

  constructor(
    readonly entries: Iterator<[Key, unknown]>,
    readonly holder: Holder,
    readonly owner: MapOwner,
  ) {}

  next(): boolean {
    this.owner.assertOpen()
    const step = this.entries.next()
    this.#entry = step.done === true ? undefined : step.value
    return step.done !== true
  }

  name(): Key {
    return (this.#entry as [Key, unknown])[0]
  }

  value(): unknown {
    const [key, value] = this.#entry as [Key, unknown]
    return this.owner.tree.readOnlyOf(this.holder, key, value)
  }
}
