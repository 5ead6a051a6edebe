import { types } from 'node:util'
import { ForkstoreError } from '../../../base/errors.js'
import { itemsBehind } from '../../../views/taken-items.js'
import { viewOf } from '../../../views/view.js'
import {
  CYCLE,
  isWithoutMemory,
  isPlainObject,
  lengthOf,
  refusal,
  type Steps,
} from '../../../base/value-errors.js'
import { define } from '../../../base/define.js'

/** The most that one value may take, in bytes of docs/format.md section 1; about the same in both engines. */
const MOST_BYTES = 2 ** 30 - 2 ** 20
/** Deeper values are written as a table: JSON.stringify is recursive. */
const DEEP = 256
/** From this depth on, ancestors are looked up in a Set: walking the stack would take quadratic time. */
const MANY_ANCESTORS = 32

export type Plain = Record<string, unknown>

interface Copied {
  value: unknown
  /** JSON.stringify and JSON.parse alone would bring the value back as it is. */
  isJson: boolean
}

/** One container that is being copied, and how far. */
interface Frame {
  source: object
  target: Plain | unknown[]
  /** undefined: an array */
  names: string[] | undefined
  length: number
  next: number
}

/** Names a part of the value, for messages. */
type DescribePart = (steps: Steps) => string

/**
 * Checks a value and copies it, without recursion; of live views, what they show. Code of the value's (getters) may
 * run and may do anything, so nothing of the store's may be half changed when this is called.
 */
export function copyIn(describe: DescribePart, root: unknown): Copied {
  return new Copier(describe).run(root)
}

class Copier {
  readonly #describe: DescribePart
  readonly #stack: Frame[] = []
  #ancestors: Set<unknown> | undefined
  #isJson = true
  #bytes = 0

  constructor(describe: DescribePart) {
    this.#describe = describe
  }

  run(root: unknown): Copied {
    const stack = this.#stack
    const value = this.#copyOne(root)
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!
      if (frame.next === frame.length) {
        stack.pop()
        this.#ancestors?.delete(frame.source)
      } else if (frame.names !== undefined) {
        this.#copyFields(frame, frame.target as Plain, frame.names)
      } else {
        this.#copyItems(frame, frame.target as unknown[], frame.source as unknown[])
      }
    }
    return { value, isJson: this.#isJson }
  }

  /** Goes on with an object up to the end, or to the next container in it. The target has the fields already. */
  #copyFields(frame: Frame, target: Plain, names: string[]): void {
    const depth = this.#stack.length
    while (frame.next < frame.length && this.#stack.length === depth) {
      const name = names[frame.next++]!
      const before = target[name]
      const after = this.#copyOne(before)
      // An assignment does for __proto__ too, since that is a field of the target's own by now.
      if (after !== before) target[name] = after
    }
  }

  #copyItems(frame: Frame, target: unknown[], source: unknown[]): void {
    const depth = this.#stack.length
    while (frame.next < frame.length && this.#stack.length === depth) {
      const index = frame.next++
      const item = source[index]
      if (item === undefined && !Object.hasOwn(source, index)) this.#isJson = false
      else target[index] = this.#copyOne(item)
    }
  }

  #copyOne(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        this.#charge(value.length)
        return value
      case 'boolean':
        return value
      case 'number':
        if (!Number.isFinite(value) || Object.is(value, -0)) this.#isJson = false
        return value
      case 'undefined':
      case 'bigint':
        this.#isJson = false
        return value
      case 'object':
        return value === null ? null : this.#copyObject(value)
      default:
        return this.#refuse(refusal(value))
    }
  }

  #copyObject(given: object): unknown {
    let value = given
    if (types.isProxy(value)) {
      const node = viewOf(value)
      const shown = node === undefined ? itemsBehind(value) : (node.tree.copy(node) as object)
      if (shown === undefined) return this.#refuse(refusal(value))
      value = shown
    }
    if (Array.isArray(value)) {
      this.#charge(8 + 8 * value.length)
      return this.#enter(value, new Array<unknown>(value.length), undefined)
    }
    if (Object.getPrototypeOf(value) === Object.prototype) return this.#fields(value)
    // Before other plain objects: a date without a prototype is a date.
    if (types.isDate(value)) {
      this.#isJson = false
      return copyDate(value)
    }
    if (types.isUint8Array(value)) {
      if (isWithoutMemory(value)) return this.#refuse(refusal(value))
      this.#isJson = false
      this.#charge(lengthOf(value))
      return copyBytes(value)
    }
    return isPlainObject(value) ? this.#fields(value) : this.#refuse(refusal(value))
  }

  #fields(value: object): unknown {
    let target: Plain
    if (Object.getOwnPropertySymbols(value).length === 0) {
      // Spreading reads getters, defines __proto__ as a field, and is what V8 copies fastest by.
      target = { ...value }
    } else {
      // It would read those of symbols, too.
      target = {}
      for (const name of Object.keys(value)) {
        if (Object.prototype.propertyIsEnumerable.call(value, name))
          define(target, name, (value as Plain)[name])
      }
    }
    const names = Object.keys(target)
    this.#charge(8 * names.length)
    return this.#enter(value, target, names)
  }

  #enter(source: object, target: Plain | unknown[], names: string[] | undefined): Plain | unknown[] {
    const stack = this.#stack
    const isCycle = this.#ancestors
      ? this.#ancestors.has(source)
      : stack.some((frame) => frame.source === source)
    if (isCycle) this.#refuse(CYCLE)
    const length = (names ?? (target as unknown[])).length
    if (length === 0) return target
    stack.push({ source, target, names, length, next: 0 })
    if (stack.length > DEEP) this.#isJson = false
    if (this.#ancestors) this.#ancestors.add(source)
    else if (stack.length > MANY_ANCESTORS) this.#ancestors = new Set(stack.map((frame) => frame.source))
    return target
  }

  #charge(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= MOST_BYTES) return
    throw new ForkstoreError(
      'ERR_FORKSTORE_TOO_LARGE',
      `${this.#describe([])}: a value of more than ${MOST_BYTES} bytes cannot be stored`,
    )
  }

  #refuse(words: string): never {
    const steps = this.#stack.map((frame) => frame.names?.[frame.next - 1] ?? frame.next - 1)
    throw new ForkstoreError('ERR_FORKSTORE_UNSUPPORTED_VALUE', `${this.#describe(steps)}: ${words}`)
  }
}

/**
 * Copies a value of the store's own: nothing to check, no cycles, no getters. `copyObject` copies an object
 * one level deep.
 */
export function copyOut(root: unknown, copyObject: (object: Plain) => Plain = spread): unknown {
  if (typeof root !== 'object' || root === null) return root
  // Copied one level deep so far.
  const halfDone: object[] = []
  const copyOne = (value: object): object => {
    if (value instanceof Date) return copyDate(value)
    if (value instanceof Uint8Array) return copyBytes(value)
    const copy: object = Array.isArray(value) ? value.slice() : copyObject(value as Plain)
    halfDone.push(copy)
    return copy
  }
  const result = copyOne(root)
  for (const container of halfDone) {
    if (Array.isArray(container)) {
      for (let index = 0; index < container.length; index++) {
        const item: unknown = container[index]
        if (typeof item === 'object' && item !== null) container[index] = copyOne(item)
      }
    } else {
      for (const name of Object.keys(container)) {
        const value = (container as Plain)[name]
        if (typeof value === 'object' && value !== null) (container as Plain)[name] = copyOne(value)
      }
    }
  }
  return result
}

function spread(object: Plain): Plain {
  return { ...object }
}

/** Whether a value of the store's own is an object or array. */
export function isContainer(value: unknown): value is Plain | unknown[] {
  return (
    typeof value === 'object' && value !== null && !(value instanceof Date) && !(value instanceof Uint8Array)
  )
}

/** Whether a value of the store's own is an object with fields. */
export function isStoredObject(value: unknown): value is Plain {
  return isContainer(value) && !Array.isArray(value)
}

function copyDate(date: Date): Date {
  return new Date(Date.prototype.getTime.call(date))
}

function copyBytes(bytes: Uint8Array): Uint8Array {
  // Not Buffer.from: its copies are parts of a shared pool, which one small buffer would keep alive.
  const length = lengthOf(bytes)
  const copy = Buffer.isBuffer(bytes) ? Buffer.allocUnsafeSlow(length) : new Uint8Array(length)
  copy.set(bytes)
  return copy
}
