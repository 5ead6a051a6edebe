import { expect, test } from 'vitest'
import { copy, ForkstoreError } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'
import { expectShows } from '../support/views.js'

type List = unknown[]

/** Arrays of the live tree. */
export function treeArraysSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const makeList = async (items: List = []): Promise<List> => {
    const { root } = await stores.open()
    root['list'] = items
    return root['list'] as List
  }

  const objects = (count: number): { n: number }[] => Array.from({ length: count }, (_, n) => ({ n }))

  /** Does the same to the live array and to a plain one: same result, same contents. */
  const both = async (items: List, run: (list: List) => unknown): Promise<void> => {
    const list = await makeList(items)
    const data = structuredClone(items)
    const expected = run(data)
    const result = run(list)
    if (expected === data) expect(result).toBe(list)
    else expectSame(result, expected)
    expectShows(list, data)
  }

  const holes = [1, , 'three', undefined, , { six: 6 }] as List // prettier-ignore
  // Around the size where the form of an array changes, and well above.
  const long = (count: number): List =>
    Array.from({ length: count }, (_, n) => (n % 9 === 4 ? { n } : n % 5 === 2 ? `text ${n}` : n))
  const samples: List[] = [[], [1], [3, 1, 2], holes, long(63), long(64), long(65), long(300)]

  test('an array is an array', async () => {
    const list = await makeList([1, [2]])
    expect(Array.isArray(list)).toBe(true)
    expect(list instanceof Array).toBe(true)
    expect(Object.prototype.toString.call(list)).toBe('[object Array]')
    expect(list.constructor).toBe(Array)
    expect(String(list)).toBe('1,2')
    expect(JSON.stringify({ list })).toBe('{"list":[1,[2]]}')
    expect(Object.getOwnPropertyDescriptor(list, 'length')).toEqual({
      value: 2,
      writable: true,
      enumerable: false,
      configurable: false,
    })
    expect(Reflect.ownKeys(list)).toEqual(['0', '1', 'length'])
    expect(list.hasOwnProperty(1) && !list.hasOwnProperty(2)).toBe(true) // eslint-disable-line no-prototype-builtins
    expect(Symbol.iterator in list && 'push' in list && 'length' in list && !('2' in list)).toBe(true)
  })

  const programs: Record<string, (list: List) => unknown> = {
    'index: read, write, grow': (list) => {
      list[0] = { changed: true }
      list[list.length] = 'end'
      list[list.length + 3] = 'after holes'
      return [list[-1 as number], list[1000], list.at(-1)]
    },
    'delete leaves a hole': (list) => delete list[1] && delete list[9999],
    'length: shorter, longer': (list) => {
      list.length = Math.max(0, list.length - 2)
      list.length += 5
      return list.push('x')
    },
    'length 0': (list) => (list.length = 0),
    push: (list) => [list.push(), list.push('a'), list.push({ b: 1 }, ['c'], undefined)],
    'pop and shift': (list) => [list.pop(), list.shift(), list.pop(), list.shift()],
    unshift: (list) => [list.unshift(), list.unshift('a'), list.unshift({ b: 1 }, [2])],
    'splice: remove': (list) => [list.splice(1, 2), list.splice(-1), list.splice(0, 0)],
    'splice: insert': (list) => [list.splice(1, 0, 'x', { y: 1 }), list.splice(-1, 1, [])],
    'splice: odd arguments': (list) => [
      (list.splice as () => List)(),
      list.splice(NaN, NaN, 'first'),
      list.splice(-1000, 1),
      list.splice(1000, 1, 'last'),
      list.splice(1.9, 1.9),
      list.splice(0, -5),
      list.splice(1),
    ],
    reverse: (list) => list.reverse(),
    'sort by text': (list) => list.sort(),
    'sort by function': (list) =>
      list.sort((one, other) => JSON.stringify(other).length - JSON.stringify(one).length),
    'sort is stable': (list) => list.sort(() => 0),
    fill: (list) => list.fill({ same: [1] }, 1, -1),
    'fill all': (list) => list.fill(0),
    copyWithin: (list) => list.copyWithin(0, 2),
    'copyWithin overlapping': (list) => list.copyWithin(1, 0, 3).copyWithin(-2, -3, -1),
    'everything in turn': (list) => {
      for (let round = 0; round < 20; round++) {
        list.push(round, { round })
        list.unshift([round])
        if (round % 3 === 0) list.splice(round, 2, 'inserted', { inserted: round }, 'x'.repeat(200))
        if (round % 4 === 0) list.shift()
        if (round % 5 === 0) list.reverse()
        list.pop()
      }
      return list.length
    },
  }
  for (const [name, run] of Object.entries(programs)) {
    test(name, async () => {
      for (const sample of samples) await both(sample, run)
      await stores.cleanUp()
    })
  }

  const reads: Record<string, (list: List) => unknown> = {
    at: (list) => [list.at(0), list.at(-1), list.at(99)],
    concat: (list) => list.concat([1, [2]], list),
    'entries, keys, values': (list) => [[...list.entries()], [...list.keys()], [...list.values()]],
    every: (list) => list.every((item) => item !== 1),
    filter: (list) => list.filter((_, index) => index % 2),
    find: (list) => [
      list.find((item) => typeof item === 'string'),
      list.findLast((item) => typeof item === 'number'),
    ],
    findIndex: (list) => [
      list.findIndex((item) => item === undefined),
      list.findLastIndex((item) => item === undefined),
    ],
    'flat and flatMap': (list) => [list.flat(), list.flatMap((item) => [item, 1])],
    forEach: (list) => {
      const seen: unknown[] = []
      list.forEach((item, index) => seen.push([item, index]))
      return seen
    },
    includes: (list) => [
      list.includes(1),
      list.includes(undefined),
      list.includes(NaN),
      list.indexOf(1),
      list.indexOf(undefined),
      list.lastIndexOf(1),
    ],
    join: (list) => [list.map((item) => typeof item).join(), list.join('-').length > 0],
    map: (list) => list.map((item, index) => [item, index]),
    reduce: (list) => [
      list.reduce((sum: number, _item, index) => sum + index, 0),
      list.reduceRight((sum: number, _item, index) => 2 * sum + index, 0),
    ],
    slice: (list) => [list.slice(), list.slice(1, -1), list.slice(-2)],
    some: (list) => list.some((item) => item === 'three'),
    'toReversed, toSorted, toSpliced, with': (list) => [
      list.toReversed(),
      list.toSorted(),
      list.toSpliced(1, 1, 'x'),
      list.length > 1 && list.with(1, 'y'),
    ],
    spread: (list) => [
      [...list],
      Array.from(list),
      Array.from(list.keys()),
      Math.max(...list.map((_, index) => index), 0),
    ],
    destructuring: ([first, second = 'none', ...rest]) => [first, second, rest],
    'for of': (list) => {
      const seen: unknown[] = []
      for (const item of list) seen.push(item)
      return seen
    },
    'for in': (list) => {
      const seen: unknown[] = []
      for (const index in list) seen.push(index, list[index])
      return seen
    },
    'Object.*': (list) => [
      Object.keys(list),
      Object.values(list),
      Object.entries(list),
      Object.assign([], list),
    ],
    toString: (list: List) => String(list) === list.toString() && list.toLocaleString().length,
  }
  for (const [name, run] of Object.entries(reads)) {
    test(`read: ${name}`, async () => {
      for (const sample of samples) {
        const list = await makeList(sample)
        expect(run(list)).toEqual(run(sample))
        expectShows(list, sample)
      }
      await stores.cleanUp()
    })
  }

  test('what non-changing methods give are views; what removing ones give are copies', async () => {
    const list = await makeList(objects(6))
    expect(list.slice(1, 3)[0]).toBe(list[1])
    expect(list.filter(() => true)[5]).toBe(list[5])
    expect(list.find(() => true)).toBe(list[0])
    expect(list.toReversed()[0]).toBe(list[5])
    expect(list.concat(list)[6]).toBe(list[0])
    const [first] = list.splice(0, 1) as { n: number }[]
    const last = list.pop() as { n: number }
    first!.n = last.n = 100
    expectSame([first, last, list.shift()], [{ n: 100 }, { n: 100 }, { n: 1 }])
    expectShows(list, [{ n: 2 }, { n: 3 }, { n: 4 }])
  })

  test.each([10, 64, 500])('what moves keeps its identity (%i items)', async (count) => {
    const list = (await makeList(objects(count))) as { n: number }[]
    const views = [...list]
    list.reverse()
    expect([...list].reverse().every((view, index) => view === views[index])).toBe(true)
    list.sort((one, other) => one.n - other.n)
    expect([...list].every((view, index) => view === views[index])).toBe(true)
    list.unshift({ n: -1 })
    list.splice(3, 2)
    expect(list[1]).toBe(views[0])
    expect(list[3]).toBe(views[4])
    expect(list.at(-1)).toBe(views.at(-1))
    list.shift()
    views[0]!.n = 9999
    expect(list[0]).toEqual({ n: 9999 })
    expectError('ERR_FORKSTORE_DETACHED', () => views[2]!.n)
    expectError('ERR_FORKSTORE_DETACHED', () => (views[3]!.n = 1))
    list.sort((one, other) => other.n - one.n)
    expect(list[0]).toBe(views[0])
    expect(list.indexOf(views[7]!)).toBe(list.findIndex(({ n }) => n === 7))
    expect(list.includes(views[2]!)).toBe(false)
  })

  test('what Array.prototype itself refuses is its own error; a comparison that is no function has a code', async () => {
    const list = await makeList([1, 2])
    for (const wrong of [null, 1, 'x', {}]) {
      const sort = (): unknown => list.sort(wrong as never)
      expect(expectError('ERR_FORKSTORE_INVALID_ARGUMENT', sort)).toBeInstanceOf(TypeError)
    }
    const own: [new () => Error, () => unknown][] = [
      [TypeError, () => list.filter(() => false).reduce((sum) => sum)],
      [TypeError, () => list.map(1 as never)],
      [RangeError, () => list.with(2, 0)],
    ]
    for (const [type, run] of own) {
      expect(run).toThrow(type)
      expect(run).not.toThrow(ForkstoreError)
    }
    list.length = 0
    expect(() => list.reduce((sum) => sum)).toThrow(TypeError)
  })

  test('a comparison function sees views, and may read and change the tree', async () => {
    const list = (await makeList(objects(20))) as { n: number; seen?: boolean }[]
    const views = new Set(list)
    list.sort((one, other) => {
      expect(views.has(one) && views.has(other)).toBe(true)
      one.seen = true
      return other.n - one.n
    })
    expect(list.map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, n) => 19 - n))
    expect(list.some(({ seen }) => seen)).toBe(true)
    expect(() => list.sort(() => { throw new RangeError('mine') })).toThrow(RangeError) // prettier-ignore
    expect(() => list.sort('no function' as never)).toThrow(TypeError)
    expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => list.sort(() => list.push({ n: 5 })))
  })

  test('other names than indexes are refused', async () => {
    const list = (await makeList([1])) as List & Record<string, unknown>
    for (const name of ['x', '-1', '01', '1.5', '4294967295', '', 'push', '1e3', ' 1']) {
      const error = expectError('ERR_FORKSTORE_UNSUPPORTED_KEY', () => (list[name] = 1))
      expect(error.message).toContain('root.list')
      expectError('ERR_FORKSTORE_UNSUPPORTED_KEY', () => Object.defineProperty(list, name, { value: 1 }))
      expect(Reflect.deleteProperty(list, name)).toBe(true)
    }
    expectError('ERR_FORKSTORE_UNSUPPORTED_KEY', () => (list[Symbol.iterator as never] = 1))
    expect(Reflect.deleteProperty(list, 'length')).toBe(false)
    expectShows(list, [1])
  })

  test('refusals change nothing, and name the item', async () => {
    const list = await makeList([1, { a: 2 }])
    const bad = { deep: [() => 1] }
    const refusals: [() => unknown, string][] = [
      [() => list.push('ok', bad), 'root.list[3].deep[0]'],
      [() => list.push(bad), 'root.list[2].deep[0]'],
      [() => list.unshift('ok', 'ok', bad), 'root.list[2].deep[0]'],
      [() => list.splice(1, 1, 'ok', bad), 'root.list[2].deep[0]'],
      [() => (list[1] = bad), 'root.list[1].deep[0]'],
      [() => list.fill(bad), 'root.list[0].deep[0]'],
      [() => ((list[1] as Record<string, unknown>)['b'] = bad), 'root.list[1].b.deep[0]'],
    ]
    for (const [run, path] of refusals) {
      expect(expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', run).message).toBe(
        `${path}: a function cannot be stored`,
      )
      expectShows(list, [1, { a: 2 }])
    }
    for (const length of [-1, 1.5, 2 ** 32, NaN, 'x']) {
      const assign = (): unknown => (list.length = length as number)
      expect(expectError('ERR_FORKSTORE_INVALID_ARGUMENT', assign)).toBeInstanceOf(RangeError)
    }
    for (const length of [1n, Symbol('1')]) {
      expect(() => (list.length = length as never)).toThrow(TypeError)
    }
    expect(() => list.splice(0, 1n as never)).toThrow(TypeError)
    expect(() => list.fill(1, 1n as never)).toThrow(TypeError)
    expectShows(list, [1, { a: 2 }])
    list.length = '1' as never
    expectShows(list, [1])
  })

  test('defineProperty of items and length', async () => {
    const list = await makeList([1, 2, 3])
    const all = { writable: true, enumerable: true, configurable: true }
    Object.defineProperty(list, 1, { value: 'b' })
    Object.defineProperty(list, 4, { value: ['e'], ...all })
    Object.defineProperty(list, 'length', { value: 6 })
    expectShows(list, [1, 'b', 3, , ['e'], , ]) // prettier-ignore
    expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => Object.defineProperty(list, 7, { value: 1 }))
    expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () =>
      Object.defineProperty(list, 'length', { writable: false }),
    )
    expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => Object.freeze(list))
    expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => Object.setPrototypeOf(list, null))
    expect(list).toHaveLength(6)
  })

  test('methods of Array.prototype, borrowed', async () => {
    const list = await makeList(['b', 'a'])
    Array.prototype.push.call(list, 'c', { d: 1 })
    expect(Array.prototype.shift.call(list)).toBe('b')
    Array.prototype.unshift.call(list, 'first')
    Array.prototype.splice.call(list, 1, 1, 'x', 'y')
    Array.prototype.reverse.call(list)
    expect(list.map((item) => typeof item)).toEqual(['object', 'string', 'string', 'string', 'string'])
    const plain = [3, 1, 2]
    const methods = list as { sort: () => unknown; push: (item: unknown) => number; pop: () => unknown }
    expect(methods.sort.call(plain)).toBe(plain)
    expect(methods.push.call(plain, 4)).toBe(4)
    expect(methods.pop.call(plain)).toBe(4)
    expectSame(plain, [1, 2, 3])
  })

  test('iterating while the array changes is as in JavaScript', async () => {
    const run = (list: List): unknown[] => {
      const seen: unknown[] = []
      for (const item of list) {
        seen.push(typeof item === 'object' ? JSON.stringify(item) : item)
        if (seen.length === 3) list.push('pushed', { pushed: 1 })
        if (seen.length === 5) list.splice(0, 1)
        if (seen.length === 7) list[list.length - 1] = 'last'
        if (seen.length === 8) list.length -= 1
        if (seen.length === 9) list.length += 2
      }
      const iterator = list[Symbol.iterator]()
      while (iterator.next().done !== true);
      list.push(1)
      seen.push(iterator.next())
      return seen
    }
    for (const count of [10, 64, 200]) expect(run(await makeList(long(count)))).toEqual(run(long(count)))
  })

  test('an iterator of an array that left the tree', async () => {
    const { root } = await stores.open()
    root['list'] = [1, 2, 3]
    const iterator = (root['list'] as List)[Symbol.iterator]()
    expect(iterator.next()).toEqual({ done: false, value: 1 })
    delete root['list']
    expectError('ERR_FORKSTORE_DETACHED', () => iterator.next())
  })

  test('arrays are saved and loaded', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const lists = { samples, long: long(2000), sparse: [] as List }
    lists.sparse[70_000] = 'end'
    Object.assign(store.root, lists)
    for (const list of [store.root['long'], lists.long] as List[]) {
      list.splice(0, 100)
      list.unshift(...long(70))
      list.push({ end: true })
    }
    await store.close()
    const again = await stores.open(path)
    expectSame(copy(again.root), lists)
    again.root['long'].unshift('first')
    expect(again.root['long'][1]).toBe(lists.long[0])
  })
}
