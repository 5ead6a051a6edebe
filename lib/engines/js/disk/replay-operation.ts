import { permuteItems, spliceItems } from '../data/containers.js'
import { isContainer, isStoredObject, type Plain } from '../data/copy.js'
import { BadLog } from './log-file.js'
import { OrderedMap } from '../data/ordered-map.js'
import type { ReadMap } from './snapshot-file.js'
import { define } from '../../../base/define.js'

/** What a snapshot was read into, and a log is replayed on. */
interface ReplayTarget {
  readonly maps: Map<string, ReadMap>
  readonly root: Plain
}

const KINDS = new Set<unknown>([
  'map',
  'set',
  'patch',
  'delete',
  'clear',
  'drop',
  'length',
  'splice',
  'permute',
])

/**
 * Applies an operation that a log holds (log-file.ts). Throws BadLog for one that no engine has recorded; for
 * one that is of a kind not known here, which a later version knows, with `isVersion`.
 */
export function replayOperation(target: ReplayTarget, operation: readonly unknown[], isJson: boolean): void {
  const [kind] = operation
  if (typeof kind === 'string' && !KINDS.has(kind)) {
    throw new BadLog(`an operation of kind ${JSON.stringify(kind)}, which is of a newer version`, true)
  }
  if (Array.isArray(operation[1])) replayOnTree(target, operation, operation[1] as unknown[])
  else replayOnMap(target.maps, operation, isJson)
}

function replayOnMap(maps: Map<string, ReadMap>, operation: readonly unknown[], isJson: boolean): void {
  const [kind, name, key, value] = operation
  if (typeof name !== 'string' || name === '') throw new BadLog('an operation on no map')
  const map = maps.get(name)
  if (kind === 'map') {
    if (map === undefined) maps.set(name, { name, stored: new OrderedMap(), notJson: new Set() })
    return
  }
  if (map === undefined) throw new BadLog('an operation on a map that there is not')
  if (kind === 'drop') {
    maps.delete(name)
    return
  }
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
    for (const field of Object.keys(value)) define(object, field, value[field])
    if (!isJson) map.notJson.add(key)
  } else {
    throw new BadLog('an operation that a map does not have')
  }
}

function replayOnTree(target: ReplayTarget, operation: readonly unknown[], path: unknown[]): void {
  const container = containerAt(target, path)
  const [kind, , first, second, third] = operation
  if (Array.isArray(container)) replayOnArray(container, kind, first, second, third)
  else if (typeof first !== 'string') throw new BadLog('a member without a name')
  else if (kind === 'set' && operation.length === 4) define(container, first, second)
  else if (kind === 'delete') Reflect.deleteProperty(container, first)
  else throw new BadLog('an operation that an object does not have')
}

function replayOnArray(
  array: unknown[],
  kind: unknown,
  first: unknown,
  second: unknown,
  third: unknown,
): void {
  if (kind === 'permute') {
    if (!isOrder(first, array.length)) throw new BadLog('an order that is none')
    permuteItems(array, first)
    return
  }
  if (!isIndex(first, 2 ** 32)) throw new BadLog('an index that is none')
  if (kind === 'length') array.length = first
  else if (first === 2 ** 32 - 1) throw new BadLog('an index that is none')
  else if (kind === 'set') array[first] = second
  else if (kind === 'delete') Reflect.deleteProperty(array, first)
  else if (kind === 'splice' && isIndex(second, array.length - first + 1) && Array.isArray(third)) {
    if (array.length - second + third.length >= 2 ** 32) throw new BadLog('an array that is too long')
    spliceItems(array, first, second, third as unknown[])
  } else {
    throw new BadLog('an operation that an array does not have')
  }
}

function containerAt(target: ReplayTarget, path: unknown[]): Plain | unknown[] {
  const [map, key] = path
  let at: unknown = target.root
  if (map !== null) at = target.maps.get(map as string)?.stored.get(key as string)
  if (map !== null && typeof map === 'string') target.maps.get(map)?.notJson.add(key as string)
  for (const step of path.slice(map === null ? 1 : 2)) {
    if (!isContainer(at) || !Object.hasOwn(at, step as string)) throw new BadLog('a way that leads nowhere')
    at = (at as Plain)[step as string]
  }
  if (!isContainer(at)) throw new BadLog('a way that leads to no container')
  return at
}

function isIndex(value: unknown, end: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < end
}

function isOrder(value: unknown, length: number): value is number[] {
  if (!Array.isArray(value) || value.length !== length) return false
  const seen = new Set<unknown>(value)
  return seen.size === length && value.every((index) => isIndex(index, length))
}
