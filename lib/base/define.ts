/**
 * Makes a property of the object's own, as a literal does. An assignment would take `__proto__` for the
 * prototype, and fail for what Object.prototype has of that name where that is frozen.
 */
export function define(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name in object && !Object.hasOwn(object, name)) {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
  } else {
    object[name] = value
  }
}
