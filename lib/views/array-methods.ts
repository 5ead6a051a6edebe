import { ForkstoreError, invalid } from '../base/errors.js'
import { iterateItems } from './array-iterator.js'
import { describePlace } from './place.js'
import { refuseChange } from './refusals.js'
import { ABSENT, type TreeNode } from '../contract/tree-engine.js'
import { plain, viewOf } from './view.js'

/**
 * What views of arrays inherit: Array.prototype, with the methods that change the array made one operation
 * each, and the iterator made a scan. The others work as they are, through the traps. Called on anything but
 * a view of an array, each does what Array.prototype's does.
 */

const MOST_LENGTH = 2 ** 32 - 1
/** Items that one call may write: an array that holds as many in one value is as large as values can be. */
const MOST_AT_ONCE = 2 ** 27
const original = Array.prototype

type Comparator = (one: unknown, other: unknown) => number

/** The node of a view of an array, for a method that changes it. */
function changedNode(value: unknown): TreeNode | undefined {
  const node = viewOf(value)
  if (node === undefined || !node.isArray) return undefined
  if (node.isReadOnly) refuseChange(node)
  return node
}

/** A position that counts from the end when negative, brought into [0, length]. */
function clamp(position: unknown, length: number, byDefault: number): number {
  if (position === undefined) return byDefault
  const number = Math.trunc(position as number) || 0
  return number < 0 ? Math.max(length + number, 0) : Math.min(number, length)
}

function checkLength(node: TreeNode, length: number): void {
  if (length <= MOST_LENGTH) return
  throw new ForkstoreError(
    'ERR_FORKSTORE_TOO_LARGE',
    `${describePlace(node)}: an array of more than ${MOST_LENGTH} items cannot be stored`,
  )
}

/** What has to be looked at item by item, or hole by hole. */
function checkCount(node: TreeNode, count: number): void {
  if (count <= MOST_AT_ONCE) return
  throw new ForkstoreError(
    'ERR_FORKSTORE_TOO_LARGE',
    `${describePlace(node)}: more than ${MOST_AT_ONCE} items cannot be changed at once`,
  )
}

function textOf(value: unknown): string {
  return String(value)
}

function itemAt(node: TreeNode, index: number): unknown {
  const value = node.tree.item(node, index)
  return value === ABSENT ? undefined : value
}

/** Items [start, end), with their holes; containers as views. */
function items(node: TreeNode, start: number, end: number): unknown[] {
  const found: unknown[] = []
  const scan = node.tree.scan(node, start)
  while (scan.next() && (scan.name() as number) < end) found[(scan.name() as number) - start] = scan.value()
  found.length = end - start
  return found
}

const overrides = {
  push(this: unknown, ...added: unknown[]): number {
    const node = changedNode(this)
    if (node === undefined) return original.push.apply(this as unknown[], added)
    const length = node.tree.length(node)
    checkLength(node, length + added.length)
    if (added.length === 1) node.tree.setItem(node, length, added[0])
    else if (added.length > 0) node.tree.splice(node, length, 0, added)
    return length + added.length
  },

  pop(this: unknown): unknown {
    const node = changedNode(this)
    if (node === undefined) return original.pop.call(this as unknown[])
    const length = node.tree.length(node)
    if (length === 0) return undefined
    const last = plain(itemAt(node, length - 1))
    node.tree.setLength(node, length - 1)
    return last
  },

  shift(this: unknown): unknown {
    const node = changedNode(this)
    if (node === undefined) return original.shift.call(this as unknown[])
    if (node.tree.length(node) === 0) return undefined
    const first = plain(itemAt(node, 0))
    node.tree.splice(node, 0, 1, [])
    return first
  },

  unshift(this: unknown, ...added: unknown[]): number {
    const node = changedNode(this)
    if (node === undefined) return original.unshift.apply(this as unknown[], added)
    const length = node.tree.length(node)
    checkLength(node, length + added.length)
    if (added.length > 0) node.tree.splice(node, 0, 0, added)
    return length + added.length
  },

  /**
   * What it returns is plain data. Where it is very much, it is a Proxy, which is that array once it is looked at:
   * `structuredClone` and `postMessage`, which refuse every Proxy, take `[...removed]`.
   */
  splice(this: unknown, ...given: [start: number, deleteCount?: number, ...added: unknown[]]): unknown[] {
    const node = changedNode(this)
    if (node === undefined) return original.splice.apply(this as unknown[], given as never)
    const length = node.tree.length(node)
    const start = clamp(given[0], length, 0)
    const wanted = given.length === 0 ? 0 : given.length === 1 ? length : Math.trunc(given[1] as number) || 0
    const count = Math.min(Math.max(wanted, 0), length - start)
    const added = given.slice(2)
    checkLength(node, length - count + added.length)
    return node.tree.take(node, start, count, added)
  },

  sort(this: unknown, compare?: Comparator): unknown {
    const node = changedNode(this)
    if (node === undefined) return original.sort.call(this as unknown[], compare)
    if (compare !== undefined && typeof compare !== 'function') {
      throw invalid('sort: the comparison function must be either a function or undefined')
    }
    const length = node.tree.length(node)
    checkCount(node, length)
    const order = sortedOrder(items(node, 0, length), compare)
    if (node.tree.length(node) !== length) {
      throw new ForkstoreError(
        'ERR_FORKSTORE_INVALID_ARGUMENT',
        `${describePlace(node)}: the comparison function changed the length of the array`,
      )
    }
    if (length > 1) node.tree.permute(node, order)
    return this
  },

  reverse(this: unknown): unknown {
    const node = changedNode(this)
    if (node === undefined) return original.reverse.call(this as unknown[])
    const length = node.tree.length(node)
    checkCount(node, length)
    if (length > 1)
      node.tree.permute(
        node,
        Uint32Array.from({ length }, (_, index) => length - 1 - index),
      )
    return this
  },

  fill(this: unknown, value: unknown, start?: number, end?: number): unknown {
    const node = changedNode(this)
    if (node === undefined) return original.fill.call(this as unknown[], value, start, end)
    const length = node.tree.length(node)
    const from = clamp(start, length, 0)
    const count = clamp(end, length, length) - from
    checkCount(node, count)
    if (count > 0) node.tree.splice(node, from, count, new Array<unknown>(count).fill(value))
    return this
  },

  copyWithin(this: unknown, target: number, start: number, end?: number): unknown {
    const node = changedNode(this)
    if (node === undefined) return original.copyWithin.call(this as unknown[], target, start, end)
    const length = node.tree.length(node)
    const to = clamp(target, length, 0)
    const from = clamp(start, length, 0)
    const count = Math.min(clamp(end, length, length) - from, length - to)
    if (count > 0) node.tree.splice(node, to, count, node.tree.copyItems(node, from, from + count))
    return this
  },

  /** Objects of the tree have no method of this name. */
  toLocaleString(this: unknown, ...given: unknown[]): string {
    const node = viewOf(this)
    if (node === undefined || !node.isArray)
      return original.toLocaleString.apply(this as unknown[], given as never)
    const texts: string[] = []
    for (const value of iterateItems(node)) {
      if (value === undefined || value === null) texts.push('')
      else if (viewOf(value)?.isArray === false) texts.push(textOf(value))
      else texts.push(original.toLocaleString.apply([value], given as never))
    }
    return texts.join(',')
  },

  values(this: unknown): unknown {
    const node = viewOf(this)
    if (node === undefined || !node.isArray) return original.values.call(this as unknown[])
    return iterateItems(node)
  },
}

/** Where each item comes from: what is defined in order, then what is undefined, then holes. */
function sortedOrder(found: readonly unknown[], compare: Comparator | undefined): Uint32Array {
  const defined: { index: number; by: unknown }[] = []
  const undefinedAt: number[] = []
  const holes: number[] = []
  for (let index = 0; index < found.length; index++) {
    const value = found[index]
    if (value !== undefined) defined.push({ index, by: compare === undefined ? textOf(value) : value })
    else (Object.hasOwn(found, index) ? undefinedAt : holes).push(index)
  }
  if (compare === undefined) {
    // Texts compare by code units in both.
    defined.sort((one, other) =>
      (one.by as string) < (other.by as string) ? -1 : one.by === other.by ? 0 : 1,
    )
  } else {
    defined.sort((one, other) => compare(one.by, other.by))
  }
  return Uint32Array.from([...defined.map(({ index }) => index), ...undefinedAt, ...holes])
}

/** The object whose members are the methods of views. Its prototype is Array.prototype. */
export const arrayMethods: object = Object.create(Array.prototype) as object
for (const [name, value] of Object.entries(overrides)) {
  const all = name === 'values' ? [name, Symbol.iterator] : [name]
  for (const each of all)
    Object.defineProperty(arrayMethods, each, { value, writable: true, configurable: true })
}
