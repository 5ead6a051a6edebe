/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import { expect, test } from 'vitest'
import { copy, query } from '../../lib/index.js'
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

/** What callbacks of queries get, and what becomes of it and of the query when something changes on the way. */
export function queryChangesSuite(engine: EngineName): void {
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
