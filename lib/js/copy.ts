import { types } from 'node:util'
import { ForkstoreError } from '../errors.js'
import { CYCLE, describePath, isDetached, isPlainObject, refusal, unsupportedValue } from '../value-errors.js'

/** The most that one value may take, in bytes of docs/format.md section 1; about the same in both engines. */
const MOST_BYTES = 2 ** 30 - 2 ** 20
/** Deeper values are written as a table: JSON.stringify is recursive. */
export const DEEP = 256
/** From this depth on, ancestors are looked up in a Set: walking the stack would take quadratic time. */
const MANY_ANCESTORS = 32

export type Plain = Record<string, unknown>

export interface Copied {
  value: unknown
  /** JSON.stringify and JSON.parse alone would bring the value back as it is. */
  isJson: boolean
}

/** One container that is being copied, and how far. */
interface Frame {
  source: Plain | unknown[]
  target: Plain | unknown[]
  /** undefined: an array */
  names: string[] | undefined
  length: number
  next: number
}

/** Defines an own field, `__proto__` too, which an assignment would take for the prototype. */
export function defineField(target: Plain, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true })
  } else {
    target[name] = value
  }
}

/**
 * Checks a value and copies it, without recursion. Code of the value's (getters) may run and may do
 * anything, so nothing of the store's may be half changed when this is called.
 */
export function copyIn(mapName: string, key: unknown, root: unknown): Copied {
  const stack: Frame[] = []
  let ancestors: Set<unknown> | undefined
  let isJson = true
  let bytes = 0

  const steps = (): (string | number)[] =>
    stack.map((frame) => frame.names?.[frame.next - 1] ?? frame.next - 1)
  const refuse = (words: string): never => {
    throw unsupportedValue(mapName, key, steps(), words)
  }
  const charge = (more: number): void => {
    bytes += more
    if (bytes > MOST_BYTES) {
      throw new ForkstoreError(
        'ERR_FORKSTORE_TOO_LARGE',
        `${describePath(mapName, key, [])}: a value of more than ${MOST_BYTES} bytes cannot be stored`,
      )
    }
  }
  const enter = (source: object): unknown => {
    if (ancestors ? ancestors.has(source) : stack.some((frame) => frame.source === source)) refuse(CYCLE)
    const isArray = Array.isArray(source)
    const names = isArray ? undefined : Object.keys(source)
    const length = isArray ? source.length : names!.length
    charge(8 + 8 * length)
    const target = isArray ? new Array<unknown>(length) : {}
    if (length === 0) return target
    stack.push({ source: source as Plain, target, names, length, next: 0 })
    if (stack.length > DEEP) isJson = false
    if (ancestors) ancestors.add(source)
    else if (stack.length > MANY_ANCESTORS) ancestors = new Set(stack.map((frame) => frame.source))
    return target
  }
  const copyOne = (value: unknown): unknown => {
    switch (typeof value) {
      case 'string':
        charge(value.length)
        return value
      case 'boolean':
        return value
      case 'number':
        if (!Number.isFinite(value) || Object.is(value, -0)) isJson = false
        return value
      case 'undefined':
        isJson = false
        return value
      case 'bigint':
        isJson = false
        return value
      case 'object':
        break
      default:
        return refuse(refusal(value))
    }
    if (value === null) return null
    if (Array.isArray(value) ? !types.isProxy(value) : isPlainObject(value)) return enter(value)
    if (types.isDate(value)) {
      isJson = false
      return copyDate(value)
    }
    if (types.isUint8Array(value) && !isDetached(value)) {
      isJson = false
      charge(value.length)
      return copyBytes(value)
    }
    return refuse(refusal(value))
  }

  const result = copyOne(root)
  while (stack.length > 0) {
    const frame = stack[stack.length - 1]!
    if (frame.next === frame.length) {
      stack.pop()
      ancestors?.delete(frame.source)
      continue
    }
    const index = frame.next++
    if (frame.names) {
      const name = frame.names[index]!
      defineField(frame.target as Plain, name, copyOne((frame.source as Plain)[name]))
    } else {
      const item = (frame.source as unknown[])[index]
      if (item === undefined && !Object.hasOwn(frame.source, index)) isJson = false
      else (frame.target as unknown[])[index] = copyOne(item)
    }
  }
  return { value: result, isJson }
}

/** Copies a value of the store's own: nothing to check, no cycles, no getters. */
export function copyOut(root: unknown): unknown {
  if (typeof root !== 'object' || root === null) return root
  const sources: object[] = []
  const targets: object[] = []
  const copyOne = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    let target: object
    if (Array.isArray(value)) target = new Array<unknown>(value.length)
    else if (value instanceof Date) return copyDate(value)
    else if (value instanceof Uint8Array) return copyBytes(value)
    else target = {}
    sources.push(value)
    targets.push(target)
    return target
  }
  const result = copyOne(root)
  for (let at = 0; at < sources.length; at++) {
    const source = sources[at]!
    const target = targets[at]!
    if (Array.isArray(source)) {
      for (let index = 0; index < source.length; index++) {
        const item: unknown = source[index]
        if (item !== undefined || Object.hasOwn(source, index)) (target as unknown[])[index] = copyOne(item)
      }
    } else {
      for (const name of Object.keys(source)) {
        defineField(target as Plain, name, copyOne((source as Plain)[name]))
      }
    }
  }
  return result
}

/** Whether a value of the store's own is an object with fields. */
export function isStoredObject(value: unknown): value is Plain {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  )
}

function copyDate(date: Date): Date {
  return new Date(Date.prototype.getTime.call(date))
}

function copyBytes(bytes: Uint8Array): Uint8Array {
  // Not Buffer.from: its copies are parts of a shared pool, which one small buffer would keep alive.
  const copy = Buffer.isBuffer(bytes) ? Buffer.allocUnsafeSlow(bytes.length) : new Uint8Array(bytes.length)
  copy.set(bytes)
  return copy
}
