import { invalid } from './errors.js'

/**
 * Has the methods of a class refuse a `this` that is no instance of it, as after `const { update } = map`, with
 * ERR_FORKSTORE_INVALID_ARGUMENT: JavaScript's own error speaks of private members that nobody has heard of.
 * Methods with symbols as names and accessors are left alone: those that show an object are also called on
 * objects that test runners make of its prototype. `promised`: the methods that reject in place of throwing.
 */
export function checkReceivers(
  prototype: object,
  isInstance: (value: unknown) => boolean,
  what: string,
  promised: readonly string[] = [],
): void {
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    const method: unknown = descriptor.value
    if (typeof method !== 'function' || name === 'constructor' || name === 'toJSON') continue
    const isPromised = promised.includes(name)
    const checked = function (this: unknown, ...given: unknown[]): unknown {
      if (isInstance(this)) return Reflect.apply(method, this, given)
      const error = invalid(
        `${name}: it was called without its ${what}, as after const { ${name} } = ${what}: ` +
          `write ${what}.${name}(...), or bind it`,
      )
      if (isPromised) return Promise.reject(error)
      throw error
    }
    Object.defineProperty(checked, 'name', { value: name, configurable: true })
    Object.defineProperty(checked, 'length', { value: method.length, configurable: true })
    Object.defineProperty(prototype, name, { ...descriptor, value: checked })
  }
}

/** Whether it may have private members. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
