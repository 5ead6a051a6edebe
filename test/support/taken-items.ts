import { expect } from 'vitest'
import { copy } from '../../lib/index.js'
import { expectSame } from './expect.js'
import { expectShows } from './views.js'

export type List = unknown[]
export type Fields = Record<string, unknown>

/** More than are copied at once. */
export const MANY = 17_000

/** Items of every kind, with what is below them. */
export function itemsOf(count: number, from = 0): List {
  return Array.from({ length: count }, (_, at) => {
    const n = from + at
    switch (n % 40) {
      case 1:
        return `text ${n}`
      case 2:
        return n % 3 === 0 ? 'long '.repeat(50) + n : null
      case 3:
        return [n, [n, 'x'], {}]
      case 4:
        return { n, deep: { list: [{ n }, undefined], text: 'y'.repeat(n % 200) } }
      case 5:
        return n % 5 === 0 ? new Date(n) : undefined
      case 6:
        return n % 5 === 0 ? Buffer.from(`${n}`) : -0
      case 7:
        return BigInt(n) * 10n ** 20n
      case 8:
      case 9:
        return { n }
      default:
        return n
    }
  })
}

/** Each as it would be stored. */
export function cloneOf(items: List): List {
  return items.map((item) => (Buffer.isBuffer(item) ? Buffer.from(item) : structuredClone(item)))
}

/** That a view shows these items; where they are many, not through every way of reading them. */
export function expectHolds(view: unknown, data: object): void {
  if (!Array.isArray(data) || data.length < 500) {
    expectShows(view, data)
    return
  }
  expectSame(copy(view as List), data)
  expect((view as List).length).toBe(data.length)
}
