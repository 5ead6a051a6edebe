import assert from 'node:assert'
import { inspect, isDeepStrictEqual, types } from 'node:util'
import { describe, expect, test } from 'vitest'
import { copy, type Store } from '../../lib/index.js'
import { type EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'
import { cloneOf, expectHolds, itemsOf, MANY, type Fields, type List } from '../support/taken-items.js'

/** Every way to look at an array, and to change it: what it gives. */
const ways: Record<string, (list: List) => unknown> = {
  'an index': (list) => [list[0], list[3], list[MANY - 3], list[MANY + 5], list[-1]],
  'the length, then an item': (list) => [list.length, list.at(-1)],
  in: (list) => [4 in list, MANY * 2 in list, 'push' in list, Symbol.iterator in list],
  'own names': (list) => [Object.keys(list).length, Reflect.ownKeys(list).slice(-2)],
  'hasOwn and descriptors': (list) => [
    Object.hasOwn(list, 7),
    Object.getOwnPropertyDescriptor(list, 'length'),
    Object.getOwnPropertyDescriptor(list, 3),
    Object.getOwnPropertyDescriptor(list, 'none'),
  ],
  JSON: (list) => JSON.stringify(list.length > 0 && list, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)), // prettier-ignore
  spread: (list) => [...list],
  'an object of it': (list) => Object.keys({ ...list }).length,
  'for...of': (list) => {
    let count = 0
    for (const item of list) count += typeof item === 'object' ? 1 : 0
    return count
  },
  'for...in': (list) => {
    const names: string[] = []
    for (const name in list) names.push(name)
    return names.slice(-3)
  },
  concat: (list) => ([0] as List).concat(list).slice(0, 4),
  'being concatenated to': (list) => list.concat([1], [2]).slice(-4),
  slice: (list) => list.slice(-3),
  'map, filter, reduce': (list) => [
    list.map((item) => typeof item).length,
    list.filter((item) => item === null).length,
    list.reduce((sum: number, item) => sum + (typeof item === 'number' ? item : 0), 0),
  ],
  'indexOf and includes': (list) => [
    list.indexOf('text 41'),
    list.includes(undefined),
    list.findLast(Number),
  ],
  'entries and keys': (list) => [list.entries().next().value, list.keys().next().value],
  join: (list) => list.join().length,
  'Array.from': (list) => Array.from(list, (item) => typeof item).length,
  flat: (list) => list.flat(2).length,
  'being an array': (list) => [
    Array.isArray(list),
    list instanceof Array,
    Object.prototype.toString.call(list),
    list.constructor === Array,
    Object.getPrototypeOf(list) === Array.prototype,
    (list as unknown as Record<symbol, unknown>)[Symbol.toStringTag],
    (list as unknown as Record<symbol, unknown>)[inspect.custom],
  ],
  inspect: (list) => inspect(list, { maxArrayLength: 12, depth: 4 }),
  'inspect of what holds it': (list) => inspect({ list }, { maxArrayLength: 5, depth: 1, breakLength: 10 }),
  'inspect without custom functions': (list) => inspect(list, { customInspect: false, maxArrayLength: 5 }),
  'inspect with what is hidden': (list) => inspect(list, { showHidden: true, maxArrayLength: 3 }),
  isExtensible: (list) => [Object.isExtensible(list), Object.isFrozen(list), Object.isSealed(list)],
  freeze: (list) => {
    Object.freeze(list)
    return [Object.isFrozen(list), Reflect.set(list, 0, 'x'), Reflect.deleteProperty(list, 0)]
  },
  preventExtensions: (list) => [Reflect.preventExtensions(list), Reflect.set(list, MANY * 2, 1)],
  setPrototypeOf: (list) => {
    const prototype = Object.create(Array.prototype as object, { mine: { value: 1 } }) as object
    Object.setPrototypeOf(list, prototype)
    const is = Object.getPrototypeOf(list) === prototype && (list as unknown as Fields)['mine'] === 1
    Object.setPrototypeOf(list, Array.prototype)
    return is
  },
  defineProperty: (list) => {
    Object.defineProperty(list, 1, { get: () => 'got', enumerable: true, configurable: true })
    const got = list[1]
    Object.defineProperty(list, 1, { value: got, writable: true, enumerable: true, configurable: true })
    return Reflect.defineProperty(list, 'length', { value: MANY - 5 })
  },
  'being changed: an item': (list) => ((list[1] = 'changed'), (list[list.length + 2] = 'grown'), list.length),
  'being changed: another name': (list) => ((list as unknown as Fields)['mine'] = [1]),
  'being changed: the length': (list) => (list.length = 5),
  'being changed: delete': (list) => [delete list[4], Reflect.deleteProperty(list, 'length')],
  'being changed: methods': (list) => [
    list.push('a', 'b'),
    list.pop(),
    list.shift(),
    list.unshift(1, 2),
    list.splice(2, 5, 'x').length,
    list.fill('f', 10, 12).length,
    list.copyWithin(0, 20, 23).length,
    list.reverse().length,
  ],
  sort: (list) => list.sort((one, other) => (typeof one < typeof other ? -1 : 1)).length,
  'being the receiver of somebody else': (list) => {
    const heir = Object.create(list) as List
    heir[3] = 'mine'
    return [Object.keys(heir), heir[3], heir.length]
  },
}

/** What a splice of very many items returns: as what it returns of few, but that it may be made later. */
export function takenItemsSuite(engine: EngineName): void {
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

  test.each(Object.entries(ways))('looked at by %s', async (way, look) => {
    const { list, data } = await makeBoth(MANY)
    const taken = list.splice(1)
    const expected = data.splice(1)
    // From some version of Node on, inspect says of every Proxy that it is one.
    const isShown = way.startsWith('inspect') && types.isProxy(taken)
    expectSame(look(taken), look(isShown ? new Proxy(expected, {}) : expected))
    expectSame(taken, expected)
    expectHolds(list, data)
  })

  describe('looked at first', () => {
    const first: Record<string, (taken: List, expected: List) => void> = {
      'by toEqual': (taken, expected) => {
        expect(taken).toEqual(expected)
        expect(expected).toEqual(taken)
      },
      'by deepStrictEqual': (taken, expected) => {
        assert.deepStrictEqual(taken, expected)
        assert.deepStrictEqual(expected, taken)
      },
      'by isDeepStrictEqual': (taken, expected) => {
        expect(isDeepStrictEqual(taken, expected)).toBe(true)
        expect(isDeepStrictEqual(taken, [1])).toBe(false)
      },
      'in a message of assert': (taken) => {
        expect(() => assert.deepStrictEqual(taken, [])).toThrow(/text 1/)
      },
      'by %o': (taken) => {
        expect(inspect(taken, { showProxy: true, maxArrayLength: 20 })).toContain("'text 1'")
      },
      'by structuredClone of a spread': (taken, expected) => {
        expectSame(structuredClone([...taken].slice(0, 6)), structuredClone(expected.slice(0, 6)))
      },
    }
    test.each(Object.entries(first))('%s', async (_, look) => {
      const { list, data } = await makeBoth(MANY)
      const taken = list.splice(0, MANY - 1)
      look(taken, data.splice(0, MANY - 1))
    })
  })

  const cuts: [start: number, count: number, ...added: List][] = [
    [0, MANY],
    [0, MANY + 3000],
    [1, MANY],
    [3000, MANY],
    [2999, MANY, 'x', { y: [1] }],
    [1500, MANY, ...itemsOf(300)],
    [64, 64 * 266],
    [4096, 16_384],
    [4095, 16_385],
    [4095, 16_386, 1],
  ]
  test.each(cuts)('%i, %i: what has left and what stays', async (start, count, ...added) => {
    const { list, data } = await makeBoth(MANY + 3000)
    const views = [0, start, start + count - 1, MANY + 2999].map((at) => list[at])
    const taken = list.splice(start, count, ...added)
    const expected = data.splice(start, count, ...cloneOf(added))
    expect(taken.length).toBe(expected.length)
    expectHolds(list, data)
    for (const view of views) {
      if (typeof view !== 'object' || view === null || view instanceof Date) continue
      if (Buffer.isBuffer(view)) continue
      const isThere = list.includes(view)
      if (isThere) expect(copy(view)).toBeDefined()
      else expectError('ERR_FORKSTORE_DETACHED', () => copy(view))
    }
    list.push('later')
    list[0] = { changed: true }
    list.splice(0, 20)
    await stepsOver(2)
    list.unshift(...itemsOf(40))
    expectSame(taken, expected)
  })

  test('views of items are detached at once, and what they showed is there', async () => {
    const { list, data } = await makeBoth(MANY)
    const item = list[4] as { deep: { list: List } }
    const { deep } = item
    const { list: below } = deep
    const taken = list.splice(2, MANY - 2) as { deep: { list: List } }[]
    for (const view of [item, deep, below]) {
      expectError('ERR_FORKSTORE_DETACHED', () => copy(view as object))
    }
    expectError('ERR_FORKSTORE_DETACHED', () => below.push(1))
    expect(Object.is(taken[2]!.deep, deep)).toBe(false)
    taken[2]!.deep.list.push('mine')
    expectSame(taken[2]!.deep.list, [...(data[4] as typeof item).deep.list, 'mine'])
    expectError('ERR_FORKSTORE_DETACHED', () => below.length)
  })

  test('holes stay holes, and the length is right', async () => {
    const { list, data } = await makeBoth(MANY)
    for (const each of [list, data]) {
      for (let at = 5; at < 3000; at += 3) Reflect.deleteProperty(each, at)
      each.length = 2 * MANY
      each[2 * MANY + 10] = 'behind'
      each.length += 30
    }
    const taken = list.splice(3, 2 * MANY)
    const expected = data.splice(3, 2 * MANY)
    expect(taken.length).toBe(2 * MANY)
    expectSame(taken, expected)
    expectHolds(list, data)
    const rest = list.splice(0)
    expect(list.length).toBe(0)
    expectSame(rest, data)
  })

  test('nothing but holes', async () => {
    const { list } = await makeBoth(3)
    list.length = 10 * MANY
    const taken = list.splice(3)
    expect([taken.length, Object.keys(taken).length, list.length]).toEqual([10 * MANY - 3, 0, 3])
  })

  test('views of removed items that are inserted by the same splice are copied', async () => {
    const { list, data } = await makeBoth(MANY)
    const taken = list.splice(0, MANY - 1, list[4], list[MANY - 1])
    const last = data[MANY - 1]
    const expected = data.splice(0, MANY - 1, structuredClone(data[4]), structuredClone(last))
    ;(list[0] as Fields)['deep'] = 'changed'
    expectSame(taken, expected)
    expectSame(taken[4], itemsOf(5)[4])
    expectHolds(list, [{ n: 4, deep: 'changed' }, last, last])
  })

  test('where the stack ends at the first look, the next one sees all', async () => {
    const { list, data } = await makeBoth(MANY)
    const taken = list.splice(1)
    const failures: unknown[] = []
    let seen: unknown
    const dive = (): void => {
      try {
        dive()
      } catch {
        // The end of the stack.
      }
      if (seen !== undefined) return
      try {
        seen = [taken[0]]
      } catch (error) {
        failures.push(error)
      }
    }
    dive()
    expectSame(seen, ['text 1'])
    for (const failure of failures) expect(failure).toBeInstanceOf(RangeError)
    expectSame(taken, data.slice(1))
  })
}
