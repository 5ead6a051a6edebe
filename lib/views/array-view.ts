import { outOfRange } from '../base/errors.js'
import { arrayMethods } from './array-methods.js'
import { goneOr } from './gone-views.js'
import {
  checkDescriptor,
  refuseChange,
  refuseFreezing,
  refuseName,
  refusePrototype,
  setOnReceiver,
} from './refusals.js'
import { ABSENT, TreeNode } from '../contract/tree-engine.js'
import { isThereAlready, NODE } from './view.js'

const ZERO = 48

/** The number that an array index is written as ('0', '12', but not '01'); -1 for any other name. */
export function indexOfName(name: string): number {
  const length = name.length
  if (length === 0 || length > 10) return -1
  let index = name.charCodeAt(0) - ZERO
  if (index < 0 || index > 9 || (index === 0 && length > 1)) return -1
  for (let at = 1; at < length; at++) {
    const digit = name.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return -1
    index = 10 * index + digit
  }
  return index < 2 ** 32 - 1 ? index : -1
}

/** The length that an assignment asks for; what is no length is a RangeError, as in the language. */
function lengthOf(value: unknown): number {
  const length = +(value as string)
  if (length >>> 0 !== length) throw outOfRange('Invalid array length')
  return length
}

function lengthOfView(node: TreeNode): number {
  try {
    return node.tree.length(node)
  } catch (error) {
    return goneOr(error, 0)
  }
}

/** Assigns; to itself: nothing. Not a method, as private ones take memory in each node. */
function put(node: TreeNode, index: number, value: unknown): void {
  if (typeof value === 'object' && isThereAlready(value, () => node.tree.item(node, index))) return
  node.tree.setItem(node, index, value)
}

/** The view of an array: a handler whose traps ask the engine. Other names than indexes are methods. */
export abstract class ArrayNode extends TreeNode implements ProxyHandler<object> {
  get isArray(): boolean {
    return true
  }

  get(_target: object, name: string | symbol): unknown {
    if (typeof name === 'symbol') return name === NODE ? this : Reflect.get(arrayMethods, name)
    const index = indexOfName(name)
    if (index >= 0) {
      const value = this.tree.item(this, index)
      return value === ABSENT ? undefined : value
    }
    return name === 'length' ? lengthOfView(this) : (arrayMethods as Record<string, unknown>)[name]
  }

  set(_target: object, name: string | symbol, value: unknown, receiver: unknown): boolean {
    if (receiver !== this.view) return setOnReceiver(receiver, name, value)
    if (this.isReadOnly) refuseChange(this)
    const index = typeof name === 'string' ? indexOfName(name) : -1
    if (index >= 0) put(this, index, value)
    else if (name === 'length') this.tree.setLength(this, lengthOf(value))
    else refuseName(this, name)
    return true
  }

  has(_target: object, name: string | symbol): boolean {
    const index = typeof name === 'string' ? indexOfName(name) : -1
    return index >= 0 ? this.tree.hasItem(this, index) : name === 'length' || Reflect.has(arrayMethods, name)
  }

  deleteProperty(_target: object, name: string | symbol): boolean {
    if (this.isReadOnly) refuseChange(this)
    if (name === 'length') return false
    const index = typeof name === 'string' ? indexOfName(name) : -1
    if (index >= 0) this.tree.deleteItem(this, index)
    return true
  }

  ownKeys(): string[] {
    const names = this.tree.indexes(this)
    names.push('length')
    return names
  }

  getOwnPropertyDescriptor(_target: object, name: string | symbol): PropertyDescriptor | undefined {
    if (name === 'length') {
      // The target has one of its own: what is said of it must agree.
      return { value: this.tree.length(this), writable: true, enumerable: false, configurable: false }
    }
    const index = typeof name === 'string' ? indexOfName(name) : -1
    const value = index >= 0 ? this.tree.item(this, index) : ABSENT
    if (value === ABSENT) return undefined
    return { value, writable: true, enumerable: true, configurable: true }
  }

  defineProperty(_target: object, name: string | symbol, descriptor: PropertyDescriptor): boolean {
    if (this.isReadOnly) refuseChange(this)
    if (name === 'length') {
      if (descriptor.configurable === true || descriptor.enumerable === true) return false
      checkDescriptor(this, name, { ...descriptor, configurable: true, enumerable: true }, false)
      if ('value' in descriptor) this.tree.setLength(this, lengthOf(descriptor.value))
      return true
    }
    const index = typeof name === 'string' ? indexOfName(name) : -1
    if (index < 0) refuseName(this, name)
    const isNew = !this.tree.hasItem(this, index)
    checkDescriptor(this, index, descriptor, isNew)
    if (isNew || 'value' in descriptor) put(this, index, descriptor.value)
    return true
  }

  getPrototypeOf(): object {
    return Array.prototype as object
  }

  setPrototypeOf(_target: object, prototype: object | null): boolean {
    return prototype === Array.prototype || refusePrototype(this)
  }

  preventExtensions(): boolean {
    refuseFreezing(this)
  }
}
