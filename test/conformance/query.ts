import { expect, test } from 'vitest'
import { query, Query } from '../../lib/index.js'
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
}
