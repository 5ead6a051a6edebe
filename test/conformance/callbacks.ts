import { expect, test } from 'vitest'
import { copy, type AnyRoot } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { Stores } from '../support/stores.js'

/** What values and functions of the application do while the store calls them: the same in every engine. */
export function callbacksSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  /** The items after `change` on a fresh array, or the message of its error. */
  const after = async (
    items: unknown[],
    change: (array: unknown[], root: AnyRoot) => void,
  ): Promise<unknown> => {
    const { root } = await stores.open()
    root['a'] = items
    try {
      change(root['a'] as unknown[], root)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_FORKSTORE_INVALID_ARGUMENT' })
      return (error as Error).message
    }
    return copy(root['a'])
  }

  test('a part of a row is one object, however often it is read', async () => {
    const store = await stores.open()
    const map = store.map<string, { o: { x: number }; a: number[] }>('m')
    map.set('k', { o: { x: 1 }, a: [1] })
    const rows = [map.get('k')!, map.live('k')!]
    for (const row of rows) {
      expect(row.o === row.o).toBe(true)
      expect(row.a === row.a).toBe(true)
    }
  })

  test('dates and bytes without a prototype are dates and bytes', async () => {
    const store = await stores.open()
    const date = Object.setPrototypeOf(new Date(5), null) as Date
    const bytes = Object.setPrototypeOf(new Uint8Array([1, 2]), null) as Uint8Array
    store.map('m').set('k', { date, bytes })
    store.root['k'] = { date, bytes }
    for (const stored of [store.map('m').get('k'), copy(store.root['k'])] as {
      date: Date
      bytes: Uint8Array
    }[]) {
      expect(stored.date).toEqual(new Date(5))
      expect([...stored.bytes]).toEqual([1, 2])
      expect(stored.bytes).toBeInstanceOf(Uint8Array)
    }
  })

  test('getters of symbols are not called', async () => {
    const store = await stores.open()
    let calls = 0
    const value = {
      a: 1,
      get [Symbol('not a name')]() {
        return ++calls
      },
    }
    store.map('m').set('k', value)
    store.root['k'] = value
    expect([calls, store.map('m').get('k'), copy(store.root['k'])]).toEqual([0, { a: 1 }, { a: 1 }])
  })

  test('a getter that deletes a later field: it is not there', async () => {
    const store = await stores.open()
    const map = store.map('m')
    // So that a writer for this shape has been generated.
    for (let i = 0; i < 50; i++) map.set(i, { a: 1, b: 2, c: i })
    const value = () => ({
      get a() {
        delete (this as { b?: number }).b
        return 1
      },
      b: 2,
      c: 3,
    })
    map.set('k', value())
    store.root['k'] = value()
    for (const stored of [map.get('k'), copy(store.root['k'])]) expect(Object.entries(stored as object)).toEqual([['a', 1], ['c', 3]]) // prettier-ignore
  })

  const shortens = (array: unknown[]) => ({
    get x() {
      array.length = 2
      return 1
    },
  })
  const refused = 'root.a: the array became shorter while the new items were read'
  test.each<[string, (array: unknown[]) => void, unknown]>([
    ['splice of what is gone', (a) => a.splice(4, 2, shortens(a)), refused],
    ['splice of what is left', (a) => a.splice(1, 1, shortens(a)), [1, { x: 1 }]],
    ['fill', (a) => a.fill(shortens(a), 3), refused],
    ['unshift', (a) => a.unshift(shortens(a)), [{ x: 1 }, 1, 2]],
  ])('arguments that shorten the array: %s', async (_, change, expected) => {
    expect(await after([1, 2, 3, 4, 5, 6], change)).toEqual(expected)
  })

  // As an Array does: where the items go is known before they are read.
  test.each<[string, (array: unknown[]) => void]>([
    ['push', (a) => a.push(shortens(a))],
    ['an item', (a) => (a[6] = shortens(a))],
  ])('arguments that shorten the array: %s goes where it was to go', async (_, change) => {
    const items = (await after([1, 2, 3, 4, 5, 6], change)) as unknown[]
    expect(items.slice(0, 2)).toEqual([1, 2])
    expect(Object.keys(items)).toEqual(['0', '1', '6'])
    expect(items[6]).toEqual({ x: 1 })
  })

  const changed = 'root.a: the comparison function changed the length of the array'
  test.each<[string, unknown[], (array: unknown[], a: never, b: never) => number, unknown]>([
    ['an item', [3, 1, 2], (array, a, b) => ((array[0] = 9), a - b), [1, 2, 9]],
    ['the length', [3, 1, 2], (array, a, b) => ((array.length = 1), a - b), changed],
    ['the length, by more', [3, 1, 2], (array, a, b) => (array.push(0), a - b), changed],
  ])('a comparison function that changes %s', async (_, items, compare, expected) => {
    const change = (array: unknown[]) => array.sort((a, b) => compare(array, a as never, b as never))
    expect(await after(items, change)).toEqual(expected)
  })

  test('a comparison function that changes the members of items', async () => {
    const items = await after([{ n: 3 }, { n: 1 }, { n: 2 }], (array) => {
      const list = array as { n: number; seen?: boolean }[]
      list.sort((a, b) => ((a.seen = b.seen = true), a.n - b.n))
    })
    expect(items).toEqual([1, 2, 3].map((n) => ({ n, seen: true })))
  })

  test.each([1, 20_000])(
    'a getter of what is spliced in that deletes what goes (%i items)',
    async (count) => {
      const store = await stores.open()
      store.root['list'] = ['first', ...Array.from({ length: count }, (_, n) => ({ n })), 'last']
      const list = store.root['list'] as unknown[]
      const removed = list.splice(1, count, {
        get x() {
          delete list[1]
          return 1
        },
      })
      expect(copy(list)).toEqual(['first', { x: 1 }, 'last'])
      expect(removed.length).toBe(count)
      // Few are copied before the new items are read, of many what leaves is returned.
      expect(0 in removed).toBe(count === 1)
      if (count === 1) expect(removed).toEqual([{ n: 0 }])
      else expect(removed[1]).toEqual({ n: 1 })
    },
  )

  test('what a callback throws comes out as it is, and nothing has changed', async () => {
    const { root } = await stores.open()
    root['a'] = [2, 1]
    const array = root['a'] as number[]
    const thrown = new Error('mine')
    const fail = (): never => {
      throw thrown
    }
    for (const change of [
      () => array.sort(fail),
      () => array.push({ get x() { return fail() } } as never), // prettier-ignore
      () => array.splice(0, 1, { get x() { return fail() } } as never), // prettier-ignore
    ]) {
      let caught: unknown
      try {
        change()
      } catch (error) {
        caught = error
      }
      expect(caught).toBe(thrown)
      expect(copy(array)).toEqual([2, 1])
    }
  })
}
