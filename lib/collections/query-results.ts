import { types } from 'node:util'
import { invalid } from '../base/errors.js'
import type { TreeNode } from '../contract/tree-engine.js'
import { viewOf } from '../views/view.js'
import { isPlainObject } from '../base/value-errors.js'

/** So many items in a row that are undefined: the rest of the array is asked for the indexes that it has. */
const MANY_HOLES = 1024

/** What has no more members, and is among as many of one result, is small. */
const FEW = 32

type Members = Record<string, unknown>

/**
 * What comes out of one run of a query. What a query shows of a map is good until the store changes; so what
 * comes out of it is a copy, wherever a callback has put it: in objects, arrays, Maps and Sets, at any depth,
 * and in members of instances of classes. It is put into these in place, so that they stay what they are.
 * Live views stay live.
 */
export class Results {
  /** What was gone through, but for what is small: it costs less to go through that again than to note it. */
  #seen: Set<object> | undefined
  /** What was met again: since it was gone through, something may have been put into it. */
  #metAgain: Set<object> | undefined

  /** Errors: `ERR_FORKSTORE_DETACHED` when the store has changed meanwhile; see also `put`. */
  of<V>(value: V): V {
    if (typeof value !== 'object' || value === null) return value
    if (types.isProxy(value)) return (copyOf(value) ?? value) as V
    this.#clean(value)
    return value
  }

  /** Called when no callback will run any more. */
  finish(): void {
    const metAgain = this.#metAgain
    if (metAgain === undefined) return
    this.#seen = this.#metAgain = undefined
    for (const container of metAgain) this.#clean(container)
    this.#metAgain = undefined
  }

  #clean(made: object): void {
    const waiting = [made]
    let count = 0
    for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
      if (this.#seen?.has(each) === true) {
        ;(this.#metAgain ??= new Set()).add(each)
        continue
      }
      // Cycles end here, too.
      const members = cleanOne(each, waiting)
      if (++count > FEW || members > FEW) (this.#seen ??= new Set()).add(each)
    }
  }
}

/** The copy of what a query shows of a map; undefined for anything else. */
function copyOf(value: object): object | undefined {
  const node: TreeNode | undefined = viewOf(value)
  return node?.isReadOnly === true ? (node.tree.copy(node) as object) : undefined
}

/** Puts copies into one container; the containers in it wait for their turn. How many members it has. */
function cleanOne(container: object, waiting: object[]): number {
  if (Array.isArray(container)) return cleanArray(container, waiting)
  if (isPlainObject(container)) return cleanMembers(container as Members, Object.keys(container), waiting)
  if (types.isMap(container)) return cleanMap(container, waiting)
  if (types.isSet(container)) return cleanSet(container, waiting)
  if (ArrayBuffer.isView(container)) return 0
  // What an instance leads to is nobody's business: it may be a socket, or the application.
  return cleanMembers(container as Members, dataNames(container), undefined)
}

function dataNames(instance: object): string[] {
  return Object.keys(instance).filter((name) => {
    const descriptor = Reflect.getOwnPropertyDescriptor(instance, name)
    return descriptor !== undefined && 'value' in descriptor
  })
}

function cleanMembers(container: Members, names: readonly string[], waiting: object[] | undefined): number {
  for (const name of names) {
    const value = container[name]
    if (typeof value !== 'object' || value === null) continue
    const copied = cleaned(value, waiting)
    if (copied !== undefined) put(container, name, copied)
  }
  return names.length
}

function cleanArray(array: unknown[], waiting: object[]): number {
  let holes = 0
  for (let index = 0; index < array.length; index++) {
    const value = array[index]
    if (value === undefined) {
      if (++holes < MANY_HOLES) continue
      const names = Object.keys(array).filter((name) => Number(name) > index)
      return index + cleanMembers(array as unknown as Members, names, waiting)
    }
    holes = 0
    if (typeof value !== 'object' || value === null) continue
    const copied = cleaned(value, waiting)
    if (copied !== undefined) put(array as unknown as Members, index, copied)
  }
  return array.length
}

function cleanMap(map: Map<unknown, unknown>, waiting: object[]): number {
  let isKey = false
  for (const [key, value] of map) {
    if (typeof key === 'object' && key !== null && copyOf(key) !== undefined) isKey = true
    if (typeof value !== 'object' || value === null) continue
    const copied = cleaned(value, waiting)
    if (copied !== undefined) map.set(key, copied)
  }
  if (!isKey) return map.size
  const entries = [...map]
  map.clear()
  for (const [key, value] of entries) map.set(copyOf(key as object) ?? key, value)
  return map.size
}

function cleanSet(set: Set<unknown>, waiting: object[]): number {
  let isAny = false
  const items = [...set].map((item) => {
    if (typeof item !== 'object' || item === null) return item
    const copied = cleaned(item, waiting)
    isAny ||= copied !== undefined
    return copied ?? item
  })
  if (!isAny) return set.size
  set.clear()
  for (const item of items) set.add(item)
  return set.size
}

/** The copy that is to be put in its place; undefined: it stays, and waits if there may be something in it. */
function cleaned(value: object, waiting: object[] | undefined): object | undefined {
  // A view; or somebody else's Proxy, which is not looked into.
  if (types.isProxy(value)) return copyOf(value)
  waiting?.push(value)
  return undefined
}

function put(container: Members, name: string | number, copied: object): void {
  if (Reflect.set(container, name, copied)) return
  const descriptor = Reflect.getOwnPropertyDescriptor(container, name)
  if (descriptor !== undefined && !('value' in descriptor)) return // its getter may give what it likes
  throw invalid(
    `a callback of a query has put a row into something that is frozen, at ${JSON.stringify(String(name))}: ` +
      'put copy(row) there',
  )
}
