import { expect } from 'vitest'
import { copy } from '../../lib/index.js'
import { expectSame } from './expect.js'

/**
 * Fails unless the view shows exactly this data: by `copy`, and through every way of reading that has its own code:
 * names, members, `in`, descriptors, iteration, JSON.
 */
export function expectShows(view: unknown, data: object): void {
  const seen = view as Record<string, unknown>
  expectSame(copy(seen), data)
  expectSame(Reflect.ownKeys(seen), Reflect.ownKeys(data))
  expectSame(Object.getPrototypeOf(seen), Object.getPrototypeOf(data))
  for (const [name, value] of Object.entries(data) as [string, unknown][]) {
    expect(Object.hasOwn(seen, name)).toBe(true)
    expect(name in seen).toBe(true)
    const { value: shown, ...attributes } = Object.getOwnPropertyDescriptor(seen, name) ?? {}
    expectSame(attributes, { writable: true, enumerable: true, configurable: true })
    if (isContainer(value)) {
      expect(shown).toBe(seen[name])
      expectShows(seen[name], value)
    } else {
      expectSame(shown, value)
      expectSame(seen[name], value)
    }
  }
  if (Array.isArray(data)) {
    const list = view as unknown[]
    expect(Array.isArray(list)).toBe(true)
    expect(list).toHaveLength(data.length)
    expectSame(plainItems([...list]), [...(data as unknown[])])
  }
}

function plainItems(items: unknown[]): unknown[] {
  return items.map((item) => (isContainer(item) ? copy(item) : item))
}

export function isContainer(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && !(value instanceof Date) && !(value instanceof Uint8Array)
  )
}
