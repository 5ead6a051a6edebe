/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import { expect, test } from 'vitest'
import { copy, query, Query } from '../../lib/index.js'
import type { AnyRoot, ForkstoreMap, Key, Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'

interface User {
  n: number
  name: string
  options: { newsletter: boolean; depth: { n: number }[] }
}

const COUNT = 700

const makeUser = (n: number): User => ({
  n,
  name: `user ${n}`.repeat(1 + (n % 20)),
  options: { newsletter: n % 3 === 0, depth: [{ n }] },
})

/** query(view), and the same methods of maps. */
export function querySuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const users = Object.fromEntries(Array.from({ length: COUNT }, (_, n) => [`key ${n}`, makeUser(n)]))
  const plain = Object.values(users)

  const make = async (): Promise<{ store: Store; root: AnyRoot; map: ForkstoreMap<Key, User> }> => {
    const store = await stores.open()
    store.root['users'] = users
    store.root['list'] = plain
    const map = store.map<Key, User>('users')
    for (const [key, user] of Object.entries(users)) map.set(key, user)
    return { store, root: store.root, map }
  }

  type Queries = Pick<
    Query<User, string>,
    | 'filter'
    | 'map'
    | 'flatMap'
    | 'take'
    | 'drop'
    | 'count'
    | 'some'
    | 'every'
    | 'find'
    | 'reduce'
    | 'toArray'
  >

  for (const source of ['object', 'array', 'map'] as const) {
    const open = async (): Promise<Queries> => {
      const { root, map } = await make()
      if (source === 'map') return map as never
      return query(source === 'object' ? (root['users'] as AnyRoot) : (root['list'] as AnyRoot)) as never
    }

    test(`${source}: each method against arrays`, async () => {
      const rows = await open()
      expect(rows.count()).toBe(COUNT)
      expect(rows.count((user) => user.options.newsletter)).toBe(
        plain.filter((user) => user.options.newsletter).length,
      )
      expect(rows.some((user) => user.n === 650)).toBe(true)
      expect(rows.some((user) => user.n === -1)).toBe(false)
      expect(rows.every((user) => user.n >= 0)).toBe(true)
      expect(rows.every((user) => user.n < 5)).toBe(false)
      expect(rows.find((user) => user.options.depth[0]?.n === 77)).toEqual(plain[77])
      expect(rows.find(() => false)).toBeUndefined()
      expect(rows.reduce((sum, user) => sum + user.n, 0)).toBe((COUNT * (COUNT - 1)) / 2)
      expect(rows.reduce((most, user) => (user.name.length > most.name.length ? user : most))).toEqual(
        plain[119],
      )
      expect(rows.filter((user) => user.n % 100 === 0).toArray()).toEqual(
        plain.filter((user) => user.n % 100 === 0),
      )
      expect(rows.map((user) => user.name.length).toArray()).toEqual(plain.map((user) => user.name.length))
      expect(
        rows
          .map((user) => user.options)
          .take(3)
          .toArray(),
      ).toEqual(plain.slice(0, 3).map((user) => user.options))
      expect(
        rows
          .flatMap((user) => user.options.depth)
          .drop(5)
          .take(2)
          .toArray(),
      ).toEqual([{ n: 5 }, { n: 6 }])
      expect(
        rows
          .flatMap((user) => (user.n % 2 ? [] : [user.n, -user.n]))
          .take(5)
          .toArray(),
      ).toEqual([0, -0, 2, -2, 4])
      expect(rows.take(0).toArray()).toEqual([])
      expect(rows.drop(COUNT - 1).toArray()).toEqual([plain[COUNT - 1]])
      expect(rows.drop(Infinity).count()).toBe(0)
      expect(rows.take(Infinity).count()).toBe(COUNT)
      expectSame(JSON.parse(JSON.stringify(rows.toArray())), plain)
      expect([...rows.filter((user) => user.n < 3)]).toEqual(plain.slice(0, 3))
      const seen: number[] = []
      rows.filter((user) => user.n > COUNT - 3).forEach((user) => seen.push(user.n))
      expect(seen).toEqual([COUNT - 2, COUNT - 1])
    })

    test(`${source}: names`, async () => {
      const rows = await open()
      const nameOf = (n: number): unknown => (source === 'array' ? n : `key ${n}`)
      const names: unknown[] = []
      rows
        .filter((user, name) => user.n < 3 && name === nameOf(user.n))
        .map((user, name) => [user.n, name])
        .forEach((row, name) => names.push([...row, name]))
      expect(names).toEqual([0, 1, 2].map((n) => [n, nameOf(n), nameOf(n)]))
      expect(rows.find((_, name) => name === nameOf(9))?.n).toBe(9)
      expect(rows.reduce((sum: unknown[], _, name) => (sum.length < 2 ? [...sum, name] : sum), [])).toEqual([
        nameOf(0),
        nameOf(1),
      ])
    })

    test(`${source}: names for every form of callback that can see them`, async () => {
      const rows = await open()
      const first = source === 'array' ? 0 : 'key 0'
      const forms: ((...seen: never[]) => unknown)[] = [
        (...seen: unknown[]) => seen[1],
        (_: unknown, ...seen: unknown[]) => seen[0],
        (_: unknown, name: unknown = 'none') => name,
        ({ n }: User, name: unknown) => (n === 0 ? name : n),
        function (_: User) {
          return (arguments as unknown as unknown[])[1] // eslint-disable-line prefer-rest-params
        },
        function (this: unknown, _: User, name: unknown) {
          return name
        }.bind(undefined),
        new Proxy((_: User, name: unknown) => name, {}),
        { map: (_: User, name: unknown) => name }.map,
        {
          map(_: User, name: unknown) {
            return name
          },
        }.map,
      ]
      for (const form of forms)
        expect(
          rows
            .map(form as never)
            .take(1)
            .toArray(),
          String(form),
        ).toEqual([first])
      expect(rows.map(({ n, name: text }) => [n, text]).find(() => true)).toEqual([0, 'user 0'])
      expect(rows.reduce((sum, user) => sum + user.n, 0)).toBe((COUNT * (COUNT - 1)) / 2)
    })

    test(`${source}: flatMap closes what it has begun when nobody asks for more`, async () => {
      const rows = await open()
      let begun = 0
      let closed = 0
      const three = (): Iterable<number> => ({
        *[Symbol.iterator]() {
          begun++
          try {
            yield* [0, 1, 2]
          } finally {
            closed++
          }
        },
      })
      const flat = rows.flatMap(three)
      const checkClosed = (count: number): void => {
        expect([begun, closed]).toEqual([count, count])
        begun = closed = 0
      }
      expect(flat.take(4).toArray()).toEqual([0, 1, 2, 0])
      checkClosed(2)
      expect(flat.take(2).take(5).drop(1).map(String).toArray()).toEqual(['1'])
      checkClosed(1)
      expect(flat.filter((n) => n === 1).find(() => true)).toBe(1)
      expect(flat.some((n) => n === 2)).toBe(true)
      expect(flat.every((n) => n < 1)).toBe(false)
      checkClosed(3)
      for (const n of flat) if (n === 1) break
      checkClosed(1)
      const failure = new Error('mine')
      for (const run of [flat.forEach.bind(flat), flat.count.bind(flat)]) {
        expect(() => {
          run(() => {
            throw failure
          })
        }).toThrow(failure)
      }
      checkClosed(2)
      expect(flat.take(3 * COUNT).count()).toBe(3 * COUNT)
      checkClosed(COUNT)
      // One that fails itself is not closed, and one that cannot be closed says so.
      let asked = 0
      const failing = (next: () => IteratorResult<number>): (() => Iterable<number>) => {
        const iterator = {
          next,
          return() {
            asked++
            throw failure
          },
        }
        return () => ({ [Symbol.iterator]: () => iterator }) as unknown as Iterable<number>
      }
      const fails = (): never => {
        throw failure
      }
      expect(() => rows.flatMap(failing(fails)).toArray()).toThrow(failure)
      expect(asked).toBe(0)
      const closing = rows.flatMap(failing(() => ({ done: false, value: 1 })))
      expect(() => closing.take(1).toArray()).toThrow(failure)
      expect(asked).toBe(1)
      const other = new Error('other')
      expect(() =>
        closing.some(() => {
          throw other
        }),
      ).toThrow(other)
    })

    test(`${source}: lazy, and run anew each time`, async () => {
      const rows = await open()
      let calls = 0
      const some = rows
        .filter((user) => {
          calls++
          return user.n % 2 === 1
        })
        .take(2)
      expect(calls).toBe(0)
      expect(some).toBeInstanceOf(Query)
      expect(some.count()).toBe(2)
      expect(calls).toBe(4)
      expect(some.map((user) => user.n).toArray()).toEqual([1, 3])
      expect(calls).toBe(8)
      const iterator = some[Symbol.iterator]()
      expect(calls).toBe(8)
      expect(iterator.next().value?.n).toBe(1)
      expect(calls).toBe(10)
    })

    test(`${source}: a callback that throws`, async () => {
      const rows = await open()
      const thrown = new Error('mine')
      const fail = (): never => {
        throw thrown
      }
      for (const run of [
        () => rows.count(fail),
        () => rows.filter(fail).toArray(),
        () => rows.map(fail).count(),
        () => rows.find(fail),
        () => rows.reduce(fail, 0),
      ]) {
        expect(run).toThrow(thrown)
      }
      expect(rows.count()).toBe(COUNT)
    })

    test(`${source}: arguments are checked`, async () => {
      const rows = (await open()) as unknown as Record<string, (...args: unknown[]) => unknown>
      for (const method of ['filter', 'map', 'flatMap', 'some', 'every', 'find', 'reduce']) {
        for (const args of [[], [1], [null], ['text'], [{}]]) {
          const error = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => rows[method]?.(...args))
          expect(error.message).toContain(method)
        }
      }
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => rows['count']?.('text'))
      for (const count of [-1, 1.5, NaN, '1', undefined, null]) {
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => rows['take']?.(count))
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => rows['drop']?.(count))
      }
      for (const wrong of [1, null, 'text', {}]) {
        const query = rows['flatMap']?.(() => wrong) as Query
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => query.toArray())
      }
      expect(() => (rows['filter']?.(() => false) as Query).reduce(() => 1)).toThrow(TypeError)
    })
  }

  test('of the tree: values are live views, and may be changed on the way', async () => {
    const { root } = await make()
    const found = query(root['users'] as Record<string, User>).find((user) => user.n === 5)
    expect(found).toBe(root['users']['key 5'])
    query(root['users'] as Record<string, User>)
      .filter((user) => user.n % 10 === 0)
      .forEach((user) => {
        user.options.newsletter = true
        user.name = 'seen'
      })
    expect(query(root['users'] as Record<string, User>).count((user) => user.name === 'seen')).toBe(70)
    query(root['list'] as User[]).forEach((user, index) => {
      if (index % 2 === 1) delete root['list'][index]
      else user.n = -1
    })
    expect(query(root['list'] as User[]).count()).toBe(350)
    expect(query(root['list'] as User[]).every((user) => user.n === -1)).toBe(true)
    let seen = 0
    query(root['users'] as Record<string, User>).forEach((_, name) => {
      seen++
      delete root['users'][name]
      root['users'][`again ${name}`] ??= 1
      if (seen > 3000) throw new Error('does not end')
      if (name.startsWith('again')) delete root['users'][`again ${name}`]
    })
    expect(seen).toBeGreaterThanOrEqual(700)
  })

  test('of the tree: scalars, holes, empty ones', async () => {
    const { root } = await make()
    root['mixed'] = [3, , 'text', null, undefined, [1]] // prettier-ignore
    expect(query(root['mixed'] as unknown[]).map((value, index) => [index, value === null]).toArray()).toEqual([[0, false], [2, false], [3, true], [4, false], [5, false]]) // prettier-ignore
    expect(query(root['mixed'] as unknown[]).count()).toBe(5)
    root['empty'] = {}
    expect(query(root['empty'] as object).toArray()).toEqual([])
    root['order'] = { b: 1, '2': 2, a: 3, '1': 4 }
    expect(query(root['order'] as Record<string, number>).map((value, name) => name + String(value)).toArray()).toEqual(['14', '22', 'b1', 'a3']) // prettier-ignore
    for (const value of [1, null, undefined, 'text', {}, [], new Proxy({}, {}), () => 1]) {
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => query(value as never))
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => copy(value as never))
    }
    const rows = query(root['mixed'] as unknown[])
    delete root['mixed']
    expectError('ERR_FORKSTORE_DETACHED', () => rows.count())
  })

  test('of maps: what callbacks get can be read only, until the store changes', async () => {
    const { map, root } = await make()
    let first: User | undefined
    map.some((row) => {
      const user = row as User
      first = user
      expect(Object.keys(user)).toEqual(['n', 'name', 'options'])
      expect(user).toEqual(makeUser(0))
      expect(JSON.stringify(user)).toBe(JSON.stringify(makeUser(0)))
      expect({ ...user.options }.newsletter).toBe(true)
      const [deep] = user.options.depth
      expect(deep?.n).toBe(0)
      expectSame(copy(user), makeUser(0))
      for (const change of [
        () => (user.n = 1),
        () => delete (user as Partial<User>).name,
        () => user.options.depth.push({ n: 1 }),
        () => (user.options.depth.length = 0),
        () => user.options.depth.sort(),
        () => Object.assign(user.options, { x: 1 }),
        () => Object.defineProperty(user, 'n', { value: 2 }),
      ]) {
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', change)
      }
      return true
    })
    expect(first?.n).toBe(0)
    root['other'] = first
    expect(root['other']).toEqual(makeUser(0))
    const error = expectError('ERR_FORKSTORE_DETACHED', () => first?.n)
    expect(error.message).toMatch(/can be read until the store changes/)
    expectError('ERR_FORKSTORE_DETACHED', () => (root['other'] = first))
  })

  test('of maps: what comes out is the caller’s', async () => {
    const { map } = await make()
    const found = map.find((user) => user.n === 1) as User
    const all = map.filter((user) => user.n < 2).toArray() as User[]
    const [option] = map.map((user) => user.options).take(1) as Iterable<User['options']>
    found.n = 100
    all[0]!.options.depth.push({ n: 5 })
    option!.newsletter = false
    map.set('other', makeUser(1))
    expect([found.n, all[0]?.options.depth.length, option?.newsletter]).toEqual([100, 2, false])
    expect(map.get('key 0')).toEqual(makeUser(0))
    expect(map.get('key 1')).toEqual(makeUser(1))
  })

  test('of maps: writing to the map on the way', async () => {
    const { map } = await make()
    let seen = 0
    map
      .filter((user) => user.n % 2 === 0)
      .map((_, key) => key)
      .forEach((key) => {
        seen++
        map.increment(key as string, 'n', 1000)
        map.delete(`key ${2 * seen + 1}`)
      })
    expect(seen).toBe(350)
    expect(map.count((user) => user.n >= 1000)).toBe(350)
  })

  test('of maps: keys of every kind and values that are no objects', async () => {
    const { store } = await make()
    const map = store.map<Key, unknown>('mixed').set('a', 1).set(1, 'x').set(2n, [1, , 3]).set('d', new Date(5)).set('u', undefined) // prettier-ignore
    expectSame(map.map((value, key) => [key, copyOfAny(value)]).toArray(), [['a', 1], [1, 'x'], [2n, [1, , 3]], ['d', new Date(5)], ['u', undefined]]) // prettier-ignore
    expectSame(map.filter((_, key) => key === 2n).toArray(), [[1, , 3]]) // prettier-ignore
  })

  test('of maps: entries that live views look at', async () => {
    const { map } = await make()
    const live = map.live('key 3') as User
    live.options.depth.push({ n: -3 })
    expect(map.find((user) => user.options.depth.length === 2)?.n).toBe(3)
    expect(map.count((user) => user.options.depth.some(({ n }) => n === -3))).toBe(1)
  })

  test('of maps: the first live view of an entry is a change to what callbacks hold', async () => {
    const { map } = await make()
    const seen: (number | string)[] = []
    map.take(3).forEach((user, key) => {
      const { options } = user
      const live = map.live('key 1') as User
      try {
        seen.push(user.n, options.depth[0]!.n)
      } catch (error) {
        seen.push((error as { code: string }).code, String(key))
      }
      expect(live.n).toBe(1)
    })
    expectSame(seen, ['ERR_FORKSTORE_DETACHED', 'key 0', 1, 1, 2, 2])
    // A value that is no container has no view: nothing happens.
    const mixed = map as ForkstoreMap<Key, unknown>
    mixed.set('number', 5)
    let first: User | undefined
    map.some((user) => (first = user as User) !== undefined)
    expect(mixed.live('number')).toBe(5)
    expect(mixed.live('nobody')).toBeUndefined()
    expect(first?.n).toBe(0)
    map.live('key 2')
    expectError('ERR_FORKSTORE_DETACHED', () => first?.n)
  })

  for (const size of [5, 64, 65, 700]) {
    test(`what comes or comes back while a query runs is not visited: ${size} members`, async () => {
      const { store, root } = await make()
      const names = Array.from({ length: size }, (_, n) => (n % 3 === 0 ? String(10 * n) : `n${n}`))
      root['members'] = Object.fromEntries(names.map((name, n) => [name, n]))
      root['items'] = names
      const map = store.map<Key, number>('few')
      names.forEach((name, n) => map.set(name, n))
      const order = Object.keys(root['members'] as object)
      const seen: string[] = []
      query(root['members'] as Record<string, number>).forEach((value, name) => {
        seen.push(name)
        for (const again of [name, order.at(-1) as string]) {
          delete root['members'][again]
          root['members'][again] = value
        }
        root['members'][`new ${name}`] = root['members'][`${10 * value + 5}`] = value
      })
      expect(seen).toEqual(order.slice(0, -1))
      const keys: unknown[] = []
      map.count((value, key) => {
        keys.push(key)
        map.delete(key)
        return map.set(key, value).set(`new ${String(key)}`, value)
      })
      expect(keys).toEqual(names)
      let items = 0
      query(root['items'] as string[]).forEach((item) => {
        items++
        root['items'].push(item)
      })
      expect(items).toBe(size)
    })
  }

  test('of maps: what is in a row is the same view each time', async () => {
    const { map } = await make()
    const isSame = (one: unknown, other: unknown): boolean => one === other
    expect(map.every((user) => isSame(user.options, user.options))).toBe(true)
    expect(map.every((user) => isSame(user.options.depth[0], user.options.depth[0]))).toBe(true)
  })

  test('after close', async () => {
    const { store, map, root } = await make()
    const rows = query(root['users'] as object)
    const more = map.filter(() => true)
    await store.close()
    expectError('ERR_FORKSTORE_CLOSED', () => rows.count())
    expectError('ERR_FORKSTORE_CLOSED', () => more.count())
    expectError('ERR_FORKSTORE_CLOSED', () => map.count())
  })
}

function copyOfAny(value: unknown): unknown {
  try {
    return copy(value as object)
  } catch {
    return value
  }
}
