import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { copy, query } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'
import { expectShows } from '../support/views.js'

type List = unknown[]
type Deep = { deep?: object }

/** Long arrays of the live tree, whether full or mostly holes. */
export function treeLongArraysSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const makeList = async (items: List = []): Promise<List> => {
    const { root } = await stores.open()
    root['list'] = items
    return root['list'] as List
  }

  const objects = (count: number): { n: number }[] => Array.from({ length: count }, (_, n) => ({ n }))

  test('a long array', async () => {
    const list = await makeList()
    const data: number[] = []
    for (let batch = 0; batch < 20; batch++) {
      const items = Array.from({ length: 5000 }, (_, index) => batch * 5000 + index)
      list.push(...items)
      data.push(...items)
    }
    expect(list).toHaveLength(100_000)
    for (let step = 0; step < 300; step++) {
      const at = (step * 7919) % data.length
      expect(list[at]).toBe(data[at])
      expect(list.splice(at, 2, -step)).toEqual(data.splice(at, 2, -step))
      list.unshift({ step })
      data.unshift({ step } as never)
      expect(list.shift()).toEqual(data.shift())
      expect(list.shift()).toEqual(data.shift())
      expect(list.push(step)).toBe(data.push(step))
    }
    expectSame(copy(list), data)
    list.sort((one, other) => (one as number) - (other as number))
    expectSame(
      copy(list),
      data.sort((one, other) => one - other),
    )
    list.length = 5
    expectShows(list, data.slice(0, 5))
  })

  test('holes may be many', async () => {
    const list = await makeList()
    list[1_000_000] = 'far'
    list[5] = { near: 1 }
    expect(list).toHaveLength(1_000_001)
    expect(Object.keys(list)).toEqual(['5', '1000000'])
    expect(list[7]).toBeUndefined()
    expect(7 in list).toBe(false)
    list.length = 4_294_967_295
    expect(list).toHaveLength(4_294_967_295)
    expectError('ERR_FORKSTORE_TOO_LARGE', () => list.push(1))
    list.length = 6
    expectShows(list, [, , , , , { near: 1 }]) // prettier-ignore
    list.pop()
    expect(list).toHaveLength(5)
    expect(Object.keys(list)).toEqual([])
  })

  test('the longest array, with next to nothing in it', async () => {
    const list = await makeList()
    list[2 ** 32 - 2] = 'last'
    list[3] = { third: true }
    expect(list).toHaveLength(2 ** 32 - 1)
    expect(Object.keys(list)).toEqual(['3', '4294967294'])
    expect(query(list).toArray()).toEqual([{ third: true }, 'last'])
    expect(inspect(list)).toContain('<3 empty items>')
    expect(inspect(list)).toContain("'last'")
    const seen: string[] = []
    for (const name in list) seen.push(name)
    expect(seen).toEqual(['3', '4294967294'])
    for (const run of [() => list.sort(), () => list.reverse(), () => list.fill(0)]) {
      expectError('ERR_FORKSTORE_TOO_LARGE', run)
    }
    list.length = 4
    expectShows(list, [, , , { third: true }]) // prettier-ignore
  })

  test('splices of the longest array take no time for its holes', async () => {
    const list = await makeList()
    const shows = (length: number, items: Record<number, unknown>): void => {
      expect(list).toHaveLength(length)
      expect(JSON.stringify(Object.entries(list))).toBe(JSON.stringify(Object.entries(items)))
    }
    const end = 2 ** 32 - 1
    list[3] = { third: true }
    const third = list[3] as unknown
    list[end - 3] = 'last'
    shows(end - 2, { 3: { third: true }, [end - 3]: 'last' })
    list.unshift('first', 'second')
    expect(list[5]).toBe(third)
    shows(end, { 0: 'first', 1: 'second', 5: { third: true }, [end - 1]: 'last' })
    expect(list.shift()).toBe('first')
    expect(list.splice(1, 2, 'new')).toHaveLength(2)
    shows(end - 2, { 0: 'second', 1: 'new', 3: { third: true }, [end - 3]: 'last' })
    expect(list[3]).toBe(third)
    const removed = list.splice(1, end - 4)
    expect(removed).toHaveLength(end - 4)
    expect(Object.keys(removed)).toEqual(['0', '2'])
    expectSame(removed[2], { third: true })
    expectError('ERR_FORKSTORE_DETACHED', () => Object.keys(third as object))
    shows(2, { 0: 'second', 1: 'last' })
    // Many items that are far from each other.
    const far = Array.from({ length: 20_000 }, (_, n) => 10_000 * (n + 1))
    for (const index of far) list[index] = index
    expect([...query(list).toArray()]).toEqual(['second', 'last', ...far])
    expect(Object.values(list.splice(2, end))).toEqual(far)
  })

  const cuts: Record<string, (list: List) => unknown> = {
    'all but one': (list) => (list.length = 1),
    'all behind the first, returned': (list) => list.splice(1),
    'all before the last': (list) => list.splice(0, list.length - 1),
    'a half': (list) => (list.length = list.length / 2),
    'the middle, for others': (list) => list.splice(400, 700, { new: 1 }, 2),
    'a few of many': (list) => list.splice(100, 300),
    'in pieces': (list) => [1, 2, 3].map((piece) => list.splice(piece, 300)),
    'all, and filled again': (list) => [list.splice(0), list.push(...objects(500)), list.splice(7, 400)],
  }

  test.each(Object.keys(cuts))('very many items go at once: %s', async (name) => {
    const cut = cuts[name]!
    const store = await stores.open()
    const data: List = Array.from({ length: 1600 }, (_, n) =>
      n % 7 === 3 ? 's'.repeat(n % 400) : n % 11 === 5 ? [n, new Date(n), [{ n }]] : { n, deep: { n } },
    )
    delete data[1234]
    store.root['list'] = data
    const list = store.root['list'] as List
    const items = data.slice()
    const held = list.map((item) => (typeof item === 'object' ? item : undefined)) as (Deep | undefined)[]
    const deep = held.map((item) => item?.deep)

    const taken = (): void => {
      cut(list)
      throw new Error('taken back')
    }
    expect(() => store.transaction(taken)).toThrow('taken back')
    expectSame(copy(list), data)
    expect(held.every((item, index) => item === undefined || list[index] === item)).toBe(true)
    expect(held.every((item, index) => item?.deep === deep[index])).toBe(true)

    expectSame(cut(list), cut(data))
    expectSame(copy(list), data)
    const left = new Set(data)
    const stays = (_: unknown, index: number): boolean => left.has(items[index])
    const isGone = (view: object | undefined): boolean => {
      try {
        return view === undefined || Object.keys(view).length < 0
      } catch (error) {
        return (error as { code: string }).code === 'ERR_FORKSTORE_DETACHED'
      }
    }
    const kept = held.filter((item, index) => item !== undefined && stays(item, index))
    const objectsLeft = list.filter((item) => typeof item === 'object')
    expect(kept.every((item) => objectsLeft.includes(item as object))).toBe(true)
    expect(held.every((item, index) => stays(item, index) || isGone(item))).toBe(true)
    expect(deep.every((item, index) => stays(item, index) || isGone(item))).toBe(true)
    list.push({ last: true })
    expect(copy(list.at(-1) as object)).toEqual({ last: true })
  })
}
