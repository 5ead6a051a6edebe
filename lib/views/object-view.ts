import { Enumeration } from './enumeration.js'
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

/** `${view}` is what it is for plain data: members named toString are data. */
function toPrimitive(hint: string): unknown {
  return hint === 'number' ? NaN : '[object Object]'
}

/** Assigns; to itself: nothing. Not a method, as private ones take memory in each node. */
function put(node: TreeNode, name: string, value: unknown): void {
  if (typeof value === 'object' && isThereAlready(value, () => node.tree.get(node, name))) return
  node.tree.set(node, name, value)
}

/**
 * The view of an object: a handler whose traps ask the engine. Names are looked up in the data and nowhere else, so
 * that `toString` and `__proto__` are names like any other.
 */
export abstract class ObjectNode extends TreeNode implements ProxyHandler<object> {
  get isArray(): boolean {
    return false
  }

  get(_target: object, name: string | symbol): unknown {
    if (typeof name === 'symbol') {
      return name === NODE ? this : name === Symbol.toPrimitive ? toPrimitive : undefined
    }
    const value = Enumeration.last?.node === this ? Enumeration.last.get(name) : this.tree.get(this, name)
    return value === ABSENT ? undefined : value
  }

  set(_target: object, name: string | symbol, value: unknown, receiver: unknown): boolean {
    if (receiver !== this.view) return setOnReceiver(receiver, name, value)
    if (this.isReadOnly) refuseChange(this)
    if (typeof name === 'symbol') refuseName(this, name)
    put(this, name, value)
    return true
  }

  has(_target: object, name: string | symbol): boolean {
    return typeof name === 'string' && this.tree.has(this, name)
  }

  deleteProperty(_target: object, name: string | symbol): boolean {
    if (this.isReadOnly) refuseChange(this)
    if (typeof name === 'string') this.tree.delete(this, name)
    return true
  }

  ownKeys(): string[] {
    let names: string[]
    try {
      names = this.tree.names(this)
    } catch (error) {
      return goneOr(error, [])
    }
    Enumeration.begin(this, names)
    return names
  }

  getOwnPropertyDescriptor(_target: object, name: string | symbol): PropertyDescriptor | undefined {
    if (typeof name === 'symbol') return undefined
    const value = Enumeration.last?.node === this ? Enumeration.last.get(name) : this.tree.get(this, name)
    if (value === ABSENT) return undefined
    return { value, writable: true, enumerable: true, configurable: true }
  }

  defineProperty(_target: object, name: string | symbol, descriptor: PropertyDescriptor): boolean {
    if (this.isReadOnly) refuseChange(this)
    if (typeof name === 'symbol') refuseName(this, name)
    const isNew = !this.tree.has(this, name)
    checkDescriptor(this, name, descriptor, isNew)
    if (isNew || 'value' in descriptor) put(this, name, descriptor.value)
    return true
  }

  getPrototypeOf(): object {
    return Object.prototype
  }

  setPrototypeOf(_target: object, prototype: object | null): boolean {
    return prototype === Object.prototype || refusePrototype(this)
  }

  preventExtensions(): boolean {
    refuseFreezing(this)
  }
}
