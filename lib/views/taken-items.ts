import { inspect } from 'node:util'
import { indexOfName } from './array-view.js'

/**
 * What `splice` returns in place of the plain array, where making that would take long: it is made when
 * somebody looks. A Proxy over a true array, which is filled, whole, by the first trap that is asked for
 * anything but `length` and what every array inherits (a promise asks what it is to become for `then`); then
 * the traps go, and what is left is that array in every respect. `structuredClone` alone, which refuses every
 * Proxy, can tell: `[...removed]` is an array that it takes.
 */

/**
 * Removed items that are copied at once, before the new ones are read, whose getters may change the array: a few
 * milliseconds. More are taken as they are when they leave, which costs no time that grows with them.
 */
export const MOST_COPIED = 16_384

/** Puts the items into the array, which may have some of them already. May throw, and is called again then. */
type Fill = (items: unknown[]) => void

/** The arrays behind the Proxies, to be filled before they are read: by Proxy. */
const handlers = new WeakMap<object, TakenItems>()

/** The handler: it stands for the traps, and loses them. */
class TakenItems implements ProxyHandler<unknown[]> {
  readonly items: unknown[] = []
  isFilled = false

  constructor(
    readonly length: number,
    readonly fillItems: Fill,
  ) {
    Reflect.setPrototypeOf(this.items, behind(this))
  }

  /** Where there is no room for it, the next one who looks tries again. */
  fill(): void {
    if (this.isFilled) return
    this.fillItems(this.items)
    this.items.length = this.length // holes may come last
    Reflect.setPrototypeOf(this.items, Array.prototype)
    Reflect.setPrototypeOf(this, null)
    this.isFilled = true
  }

  get(items: unknown[], name: string | symbol, receiver: unknown): unknown {
    if (name === 'length') return this.length
    if (typeof name === 'symbol' || indexOfName(name) < 0) return Reflect.get(Array.prototype, name, receiver)
    this.fill()
    return Reflect.get(items, name, receiver)
  }

  set(items: unknown[], name: string | symbol, value: unknown, receiver: unknown): boolean {
    this.fill()
    return Reflect.set(items, name, value, receiver)
  }

  has(items: unknown[], name: string | symbol): boolean {
    this.fill()
    return Reflect.has(items, name)
  }

  deleteProperty(items: unknown[], name: string | symbol): boolean {
    this.fill()
    return Reflect.deleteProperty(items, name)
  }

  ownKeys(items: unknown[]): (string | symbol)[] {
    this.fill()
    return Reflect.ownKeys(items)
  }

  getOwnPropertyDescriptor(items: unknown[], name: string | symbol): PropertyDescriptor | undefined {
    this.fill()
    return Reflect.getOwnPropertyDescriptor(items, name)
  }

  defineProperty(items: unknown[], name: string | symbol, descriptor: PropertyDescriptor): boolean {
    this.fill()
    return Reflect.defineProperty(items, name, descriptor)
  }

  getPrototypeOf(items: unknown[]): object | null {
    this.fill()
    return Reflect.getPrototypeOf(items)
  }

  setPrototypeOf(items: unknown[], prototype: object | null): boolean {
    this.fill()
    return Reflect.setPrototypeOf(items, prototype)
  }

  isExtensible(items: unknown[]): boolean {
    this.fill()
    return Reflect.isExtensible(items)
  }

  preventExtensions(items: unknown[]): boolean {
    this.fill()
    return Reflect.preventExtensions(items)
  }
}

/**
 * The prototype of an array that has not been filled: `inspect` looks behind Proxies, and asks the array for
 * one of these before it looks at anything else.
 */
function behind(handler: TakenItems): object {
  const look = { get: (): undefined => handler.fill() as undefined }
  return Object.create(Array.prototype as object, {
    [inspect.custom]: look,
    [Symbol.toStringTag]: look,
  }) as object
}

/** Items taken out of an array, `length` with their holes, which `fill` reads; and the array that it is to fill. */
export function takeItems(length: number, fill: Fill): { view: unknown[]; items: unknown[] } {
  const handler = new TakenItems(length, fill)
  const view = new Proxy(handler.items, handler)
  handlers.set(view, handler)
  return { view, items: handler.items }
}

/** The filled array that a Proxy of `takeItems` stands for; undefined for any other. */
export function itemsBehind(proxy: object): unknown[] | undefined {
  const handler = handlers.get(proxy)
  if (handler === undefined) return undefined
  if (!handler.isFilled) handler.fill()
  return handler.items
}
