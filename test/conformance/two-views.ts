/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import { expect, test } from 'vitest'
import { query, type AnyRoot } from '../../lib/index.js'
import { Stores } from '../support/stores.js'

/** Where a tiny cache of views has forgotten one that is held, another stands beside it for the same object. */
export function twoViewsSuite(): void {
  const stores = new Stores('native')

  const lookAtMany = (root: AnyRoot): void => {
    for (const item of root['many'] as { n: number }[]) expect(item.n).toBeGreaterThanOrEqual(0)
  }

  const makeRoot = async (): Promise<AnyRoot> => {
    const { root } = await stores.open()
    root['many'] = Array.from({ length: 100 }, (_, n) => ({ n }))
    root['users'] = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`user ${n}`, `text ${n}`]))
    root['list'] = [{ n: 1 }]
    lookAtMany(root)
    return root
  }

  test('a query hears of what is changed through the other one', async () => {
    const root = await makeRoot()
    const held = root['users'] as AnyRoot
    lookAtMany(root)
    const other = root['users'] as AnyRoot
    expect(held === other).toBe(false)
    const seen = new Set<string>()
    const gone = new Set<string>()
    query(held as Record<string, string>).forEach((text, name) => {
      expect([gone.has(name), text]).toEqual([false, `text ${name.slice(5)}`])
      seen.add(name)
      const n = Number(name.slice(5))
      if (n % 10 !== 0) return
      for (const next of [n + 1, n + 2, n + 3]) {
        delete other[`user ${next}`]
        gone.add(`user ${next}`)
        other[`fresh ${next}`] = 'another'
      }
    })
    expect(seen.size + gone.size).toBe(500)
  })

  test('either one, assigned to the place that it shows, leaves its object as it is', async () => {
    const root = await makeRoot()
    const held = root['list'] as AnyRoot[]
    const item = held[0] as AnyRoot
    lookAtMany(root)
    expect(root['list'] === held).toBe(false)
    root['list'] = held
    held[0] = item
    item['n'] = 2
    expect(held).toEqual([{ n: 2 }])
  })
}
