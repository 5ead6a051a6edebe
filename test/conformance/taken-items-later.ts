import { describe, expect, test } from 'vitest'
import { query, type Store } from '../../lib/index.js'
import { openEngine, type EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'
import { cloneOf, expectHolds, itemsOf, MANY, type Fields, type List } from '../support/taken-items.js'
import { expectShows } from '../support/views.js'

/** What a splice of very many items returns, and what else happens before it is looked at. */
export function takenItemsLaterSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  /** A store with an array, and the same as plain data. */
  const makeBoth = async (count: number): Promise<{ store: Store; list: List; data: List }> => {
    const store = await stores.open()
    store.root['list'] = itemsOf(count)
    return { store, list: store.root['list'] as List, data: itemsOf(count) }
  }
  const stepsOver = async (turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  test('they can be stored again, in a member, a map, an array, and in the other engine', async () => {
    const { store, list, data } = await makeBoth(MANY)
    const other = await openEngine(engine === 'native' ? 'js' : 'native')
    try {
      const expected = data.splice(1)
      const again = (): List => {
        list.splice(0)
        list.push(...itemsOf(MANY))
        return list.splice(1)
      }
      store.root['again'] = again()
      expectHolds(store.root['again'], expected)
      store.map<string, List>('map').set('key', again())
      expectSame(store.map<string, List>('map').get('key'), expected)
      store.root['rows'] = []
      ;(store.root['rows'] as List).push({ in: again() })
      expectHolds((store.root['rows'] as { in: List }[])[0]!.in, expected)
      other.root['taken'] = again()
      expectHolds(other.root['taken'], expected)
      const cyclic = again()
      cyclic.push({ cyclic })
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => (store.root['cyclic'] = cyclic))
    } finally {
      await other.close()
    }
  })

  test('a splice that is refused takes nothing', async () => {
    const { list, data } = await makeBoth(MANY)
    expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => list.splice(1, MANY - 1, () => 1))
    const failing = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new RangeError('mine')
      },
    })
    expect(() => list.splice(1, MANY - 1, failing)).toThrow('mine')
    const shortening = {
      get x() {
        list.length = 10
        return 1
      },
    }
    expect(() => list.splice(1, MANY - 1, shortening)).toThrow()
    data.length = 10
    expectHolds(list, data)
  })

  test('within the encoding of another value', async () => {
    const { store, list, data } = await makeBoth(MANY)
    let taken: List = []
    store.root['outer'] = {
      before: 1,
      get list() {
        taken = list.splice(1)
        return taken.length
      },
      get item() {
        return taken[3]
      },
    }
    const expected = data.splice(1)
    expectShows(store.root['outer'], { before: 1, list: MANY - 1, item: expected[3] })
    expectSame(taken, expected)
  })

  test('by a callback of a query, which cannot change what it is shown', async () => {
    const { store, list, data } = await makeBoth(MANY)
    let taken: List = []
    const seen = query(list)
      .filter(() => {
        if (taken.length === 0) taken = list.splice(2)
        return true
      })
      .toArray().length
    expect(seen).toBe(2)
    expectSame(taken, data.splice(2))
    store.map<string, List>('map').set('key', itemsOf(MANY))
    store
      .map<string, List>('map')
      .filter((row) => {
        expect(() => (row as List).splice(1)).toThrow()
        return true
      })
      .toArray()
    expectSame(store.map<string, List>('map').get('key'), itemsOf(MANY))
  })

  test('of an entry of a map that is live, which is then deleted', async () => {
    const { store, data } = await makeBoth(MANY)
    const map = store.map<string, List>('map')
    map.set('key', data)
    map.set('other', data)
    const taken = map.live('key')!.splice(5)
    const whole = map.live('other')!.splice(0)
    map.delete('key')
    await stepsOver(1)
    store.dropMap('map')
    expectSame(whole, data)
    expectSame(taken, data.slice(5))
  })

  describe('transactions', () => {
    const undo = new Error('undo')

    test.each([true, false])(
      'taken back: the items are back and were taken too (looked at: %s)',
      async (isLooked) => {
        const { store, list, data } = await makeBoth(MANY)
        const item = list[4]
        let taken: List = []
        expect(() =>
          store.transaction(() => {
            ;(list[4] as Fields)['n'] = 'at the splice'
            taken = list.splice(1)
            if (isLooked) expect(taken[3]).toMatchObject({ n: 'at the splice' })
            list.push({ more: 1 })
            throw undo
          }),
        ).toThrow(undo)
        expectHolds(list, data)
        expect(list[4]).toBe(item)
        ;(list[4] as Fields)['n'] = 'afterwards'
        list.splice(2)
        ;(data[4] as Fields)['n'] = 'at the splice'
        expectSame(taken, data.slice(1))
      },
    )

    test('an inner one taken back, an outer one kept', async () => {
      const { store, list, data } = await makeBoth(2 * MANY)
      let outer: List = []
      let inner: List = []
      store.transaction(() => {
        outer = list.splice(MANY)
        expect(() =>
          store.transaction(() => {
            inner = list.splice(3)
            throw undo
          }),
        ).toThrow(undo)
        ;(list[4] as Fields)['n'] = 'changed'
      })
      expectSame(outer, data.splice(MANY))
      expectSame(inner, data.slice(3))
      ;(data[4] as Fields)['n'] = 'changed'
      expectHolds(list, data)
    })

    test('both taken back; and both kept', async () => {
      const { store, list, data } = await makeBoth(2 * MANY)
      const taken: List[] = []
      const run = (end: () => void): void =>
        store.transaction(() => {
          taken.push(list.splice(MANY))
          store.transaction(() => taken.push(list.splice(3)))
          end()
        })
      expect(() =>
        run(() => {
          throw undo
        }),
      ).toThrow(undo)
      expectHolds(list, data)
      run(() => undefined)
      const outer = data.splice(MANY)
      const inner = data.splice(3)
      for (const [at, expected] of [outer, inner, outer, inner].entries()) expectSame(taken[at], expected)
      expectHolds(list, data)
    })

    test.each([true, false])('taken before one, looked at within (kept: %s)', async (isKept) => {
      const { store, list, data } = await makeBoth(MANY)
      const taken = list.splice(1)
      const more = (): void => {
        list.push({ more: 1 })
        expectSame(taken[3], data[4])
        list.push({ more: 2 })
        if (!isKept) throw undo
      }
      if (isKept) store.transaction(more)
      else expect(() => store.transaction(more)).toThrow(undo)
      expectSame(taken, data.splice(1))
      expectHolds(list, isKept ? [...data, { more: 1 }, { more: 2 }] : data)
      await stepsOver(5)
      list.push(...itemsOf(2000))
      expectHolds(list, [...data, ...(isKept ? [{ more: 1 }, { more: 2 }] : []), ...itemsOf(2000)])
    })
  })

  test('many lists at once', async () => {
    const store = await stores.open()
    const lists: List[] = []
    for (let round = 0; round < 70; round++) {
      store.root['list'] = Array.from({ length: MANY }, (_, n) => (n % 100 === 0 ? { n, round } : n))
      lists.push((store.root['list'] as List).splice(round))
    }
    for (const round of [69, 0, 63, 64, 30]) {
      expectSame(lists[round]![200 - round], { n: 200, round })
      expect(lists[round]!.length).toBe(MANY - round)
    }
    for (const [round, list] of lists.entries()) expectSame(list[400 - round], { n: 400, round })
  })

  test('after the store is closed', async () => {
    const { store, list, data } = await makeBoth(MANY)
    const looked = list.splice(MANY - 1)
    list.push(...itemsOf(MANY, 5))
    const taken = list.splice(MANY - 1)
    list.push(...itemsOf(MANY, 7))
    const begun = list.splice(MANY - 1)
    expect(looked.length).toBe(1)
    await stepsOver(1)
    const closed = store.close()
    expectSame(begun[3], itemsOf(1, 10)[0])
    await closed
    expectSame(looked, data.slice(-1))
    expectSame(taken, itemsOf(MANY, 5))
    expectSame(begun, itemsOf(MANY, 7))
    expectError('ERR_FORKSTORE_CLOSED', () => list.length)
  })

  test('a store that is opened again has none of it', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.root['list'] = itemsOf(MANY + 100)
    const list = store.root['list'] as List
    const first = list.splice(0, MANY)
    await store.snapshot()
    list.push(...itemsOf(MANY))
    const second = list.splice(50)
    list.push('end')
    await store.close()
    expectSame(first, itemsOf(MANY))
    expectSame(second, [...itemsOf(50, MANY + 50), ...itemsOf(MANY)])
    const again = await stores.open(path)
    expectHolds(again.root['list'], [...itemsOf(50, MANY), 'end'])
  })

  test('random programs', async () => {
    let state = 7
    const below = (limit: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return Math.floor((state / 2 ** 32) * limit)
    }
    const { store, list, data } = await makeBoth(MANY)
    const waiting: { taken: List; expected: List }[] = []
    let next = 0
    for (let step = 0; step < 60; step++) {
      if (data.length < 20_000) {
        const more = itemsOf(below(14_000), (next += 13))
        list.push(...more)
        data.push(...cloneOf(more))
      }
      const start = below(3) === 0 ? below(10) : below(data.length)
      const count = below(2) === 0 ? 16_380 + below(10) : below(data.length)
      const added = itemsOf(below(3) === 0 ? below(400) : below(3), (next += 17))
      const change = (): void => {
        const taken = list.splice(start, count, ...added)
        waiting.push({ taken, expected: data.slice(start, start + count) })
      }
      const isUndone = below(5) === 0
      if (isUndone) {
        expect(() =>
          store.transaction(() => {
            change()
            throw new Error('undone')
          }),
        ).toThrow('undone')
      } else {
        if (below(4) === 0) store.transaction(change)
        else change()
        data.splice(start, count, ...cloneOf(added))
      }
      expect(list.length).toBe(data.length)
      if (below(3) === 0) await stepsOver(1)
      while (waiting.length > below(6)) {
        const [{ taken, expected }] = waiting.splice(below(waiting.length), 1) as [(typeof waiting)[0]]
        expect(taken.length).toBe(expected.length)
        // Or nobody looks.
        if (below(2) === 0) expectSame(taken, expected)
      }
      if (step % 15 === 14) expectHolds(list, data)
    }
    for (const { taken, expected } of waiting) expectSame(taken, expected)
  })
}
