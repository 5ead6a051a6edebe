import { nextItem } from '../data/containers.js'
import type { Plain } from '../data/copy.js'
import { define } from '../../../base/define.js'

/**
 * Values that JSON cannot say, or only by recursion, as a flat table that JSON can: `[root, node 0, node 1,
 * ...]`. A node is a container: `["a", slot, slot ...]` or `["o", name, slot, name, slot ...]`. A slot is
 * null, a boolean, a string or a finite number as it is; or
 *
 * ```
 * ["u"]          undefined                 ["d", ms | null]   Date, or an invalid one
 * ["h", count]   so many holes (arrays)    ["b", base64]      Uint8Array
 * ["n", "-0"]    -0, NaN, +-Infinity       ["B", base64]      Buffer
 * ["i", "-ff"]   bigint, hexadecimal       ["r", index]       the container of that node
 * ```
 *
 * Every node but node 0 is referred to once, by a node before it: hence a tree.
 */
export type Tagged = unknown[]

/** Thrown while reading a table that breaks the rules; the reader of the file makes it a typed error. */
export class BadTable extends Error {}

export function toTagged(root: unknown): Tagged {
  const containers: object[] = []
  const slot = slotWriter(containers)
  const table: Tagged = [slot(root)]
  // More are added on the way.
  for (const container of containers) {
    const node: unknown[] = []
    for (const part of partsOf(container, slot)) node.push(...(node.length === 0 ? part : part.slice(1)))
    table.push(node)
  }
  return table
}

/**
 * The nodes of the table of a container that may be large, in parts: what follows the first part of a node
 * begins with "+" in place of its kind. Node 0 is the container itself.
 */
export function* taggedParts(root: object): Generator<unknown[], undefined> {
  const containers = [root]
  const slot = slotWriter(containers)
  for (const container of containers) yield* partsOf(container, slot)
  return undefined
}

/** Puts parts together again. */
export function joinParts(table: Tagged, parts: readonly unknown[]): void {
  for (const part of parts) {
    if (!Array.isArray(part)) throw new BadTable('a node of unknown kind')
    if (part[0] !== '+') {
      table.push(part)
      continue
    }
    const node = table[table.length - 1]
    if (!Array.isArray(node) || table.length === 1) throw new BadTable('a part of no node')
    for (let at = 1; at < part.length; at++) node.push(part[at])
  }
}

/** Of a part, in slots and names: few enough to be arguments of a call. */
const MOST_IN_PART = 4096

function* partsOf(container: object, slot: (value: unknown) => unknown): Generator<unknown[], undefined> {
  let part: unknown[]
  if (Array.isArray(container)) {
    part = ['a']
    let next = 0
    for (let index = nextItem(container, 0); index !== -1; index = nextItem(container, index + 1)) {
      if (index > next) part.push(['h', index - next])
      part.push(slot(container[index]))
      next = index + 1
      if (part.length < MOST_IN_PART) continue
      yield part
      part = ['+']
    }
    if (container.length > next) part.push(['h', container.length - next])
  } else {
    part = ['o']
    for (const name of Object.keys(container)) {
      part.push(name, slot((container as Plain)[name]))
      if (part.length < MOST_IN_PART) continue
      yield part
      part = ['+']
    }
  }
  if (part.length > 1 || part[0] !== '+') yield part
  return undefined
}

/** Makes slots; containers that it meets are added to the list. */
function slotWriter(containers: object[]): (value: unknown) => unknown {
  return (value) => {
    switch (typeof value) {
      case 'undefined':
        return ['u']
      case 'bigint':
        return ['i', value.toString(16)]
      case 'number':
        if (Object.is(value, -0)) return ['n', '-0']
        return Number.isFinite(value) ? value : ['n', String(value)]
      case 'object':
        if (value === null) return null
        if (value instanceof Date) return ['d', Number.isNaN(value.getTime()) ? null : value.getTime()]
        if (Buffer.isBuffer(value)) return ['B', value.toString('base64')]
        if (value instanceof Uint8Array)
          return ['b', Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')]
        return ['r', containers.push(value) - 1]
      default:
        return value
    }
  }
}

export function fromTagged(table: unknown): unknown {
  if (!Array.isArray(table) || table.length === 0) throw new BadTable('a value is no table')
  const nodes: unknown[][] = table.slice(1).map((node) => {
    if (!Array.isArray(node) || (node[0] !== 'a' && node[0] !== 'o')) {
      throw new BadTable('a node of unknown kind')
    }
    return node as unknown[]
  })
  const containers = nodes.map((node): object => (node[0] === 'a' ? [] : {}))
  const taken = new Uint8Array(nodes.length)
  const slot = (stored: unknown, owner: number): unknown => {
    if (!Array.isArray(stored)) {
      if (typeof stored === 'object' && stored !== null) throw new BadTable('a slot of unknown kind')
      return stored
    }
    const tag: unknown = stored[0]
    const body: unknown = stored[1]
    if (tag === 'u') return undefined
    if (tag === 'n' && typeof body === 'string' && /^(-0|NaN|-?Infinity)$/.test(body)) return Number(body)
    if (tag === 'i' && typeof body === 'string' && /^-?[0-9a-f]+$/.test(body)) {
      return body.startsWith('-') ? -BigInt(`0x${body.slice(1)}`) : BigInt(`0x${body}`)
    }
    if (tag === 'd' && (body === null || typeof body === 'number')) return new Date(body ?? NaN)
    if (tag === 'B' && typeof body === 'string') return Buffer.from(body, 'base64')
    if (tag === 'b' && typeof body === 'string') return new Uint8Array(Buffer.from(body, 'base64'))
    if (tag === 'r' && typeof body === 'number') {
      if (containers[body] === undefined || body <= owner || taken[body] !== 0)
        throw new BadTable('a bad reference')
      taken[body] = 1
      return containers[body]
    }
    throw new BadTable('a slot of unknown kind')
  }
  const result = slot(table[0], -1)
  nodes.forEach((node, at) => {
    if (taken[at] === 0) throw new BadTable('a node that nothing refers to')
    const container = containers[at]!
    if (Array.isArray(container)) fillArray(container, node, (stored) => slot(stored, at))
    else fillObject(container as Plain, node, (stored) => slot(stored, at))
  })
  return result
}

function fillArray(array: unknown[], node: unknown[], slot: (stored: unknown) => unknown): void {
  for (let index = 1; index < node.length; index++) {
    const stored = node[index]
    if (Array.isArray(stored) && stored[0] === 'h') {
      const holes: unknown = stored[1]
      if (!Number.isInteger(holes) || (holes as number) < 1 || array.length + (holes as number) >= 2 ** 32) {
        throw new BadTable('a bad number of holes')
      }
      array.length += holes as number
    } else {
      array.push(slot(stored))
    }
  }
}

function fillObject(object: Plain, node: unknown[], slot: (stored: unknown) => unknown): void {
  if (node.length % 2 !== 1) throw new BadTable('a field without a value')
  for (let index = 1; index < node.length; index += 2) {
    const name = node[index]
    if (typeof name !== 'string' || Object.hasOwn(object, name)) throw new BadTable('a bad field name')
    define(object, name, slot(node[index + 1]))
  }
}
