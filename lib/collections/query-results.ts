import { types } from 'node:util'
import { invalid } from '../base/errors.js'
import type { TreeNode } from '../contract/tree-engine.js'
import { viewOf } from '../views/view.js'
import { isPlainObject } from '../base/value-errors.js'

/**
 * After so many items in a row that are undefined, an array is taken to have many holes, and its other indexes
 * are listed instead of tried one by one.
 */
const MANY_HOLES = 1024

/** An object with no more members than this, in a result of no more objects than this, is small. */
const FEW = 32

type Members = Record<string, unknown>

/**
 * The results of one run of a query, without views that stop working. The rows that a query over a map gives to
 * callbacks are views that can be read until the store changes. So each such view in a result is replaced by
 * a copy, wherever a callback has put it: in objects, arrays, Maps and Sets, at any depth, and in members of
 * instances of classes. These objects themselves are not copied, but changed in place. Live views, which stay
 * good, are left as they are.
 */
export class Results {
  /**
   * The objects that were searched already. Small ones are left out: searching them again costs less than
   * keeping them in a set.
   */
  #seen: Set<object> | undefined
  /** Those of them that came again: since they were searched, a callback may have put another row into them. */
  #metAgain: Set<object> | undefined

  /** Errors: `ERR_FORKSTORE_DETACHED` when the store has changed meanwhile; see also `put`. */
  of<V>(value: V): V {
    if (typeof value !== 'object' || value === null) return value
    if (types.isProxy(value)) return (copyOf(value) ?? value) as V
    this.#clean(value)
    return value
  }

  /** Searches once more what came again. To be called when no callback will run any more. */
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
      const members = cleanOne(each, waiting)
      // In a cycle the count grows, so that it ends too.
      if (++count > FEW || members > FEW) (this.#seen ??= new Set()).add(each)
    }
  }
}

/** The copy of a row of a map, or of a part of one; undefined for anything else. */
function copyOf(value: object): object | undefined {
  const node: TreeNode | undefined = viewOf(value)
  return node?.isReadOnly === true ? (node.tree.copy(node) as object) : undefined
}

/**
 * Replaces views in one container by copies, and adds the containers in it to `waiting`. Returns how many members
 * it has.
 */
function cleanOne(container: object, waiting: object[]): number {
  if (Array.isArray(container)) return cleanArray(container, waiting)
  if (isPlainObject(container)) return cleanMembers(container as Members, Object.keys(container), waiting)
  if (types.isMap(container)) return cleanMap(container, waiting)
  if (types.isSet(container)) return cleanSet(container, waiting)
  if (ArrayBuffer.isView(container)) return 0
  // Of an instance of a class only its own members are searched, and not the objects in them: these may lead to
  // the whole application.
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

/** The copy to replace a member by. Undefined: it stays, and is added to `waiting`, to be searched. */
function cleaned(value: object, waiting: object[] | undefined): object | undefined {
  // A view; or a Proxy of the application, which is not searched.
  if (types.isProxy(value)) return copyOf(value)
  waiting?.push(value)
  return undefined
}

function put(container: Members, name: string | number, copied: object): void {
  if (Reflect.set(container, name, copied)) return
  const descriptor = Reflect.getOwnPropertyDescriptor(container, name)
  if (descriptor !== undefined && !('value' in descriptor)) return // a member with a getter stores nothing
  throw invalid(
    `a callback of a query has put a row into something that is frozen, at ${JSON.stringify(String(name))}: ` +
      'put copy(row) there',
  )
}
