/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import { expect, test } from 'vitest'
import { copy } from '../../lib/index.js'
import type { AnyRoot, ForkstoreMap, Key, Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectEntries, expectError, expectRejection, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'
import { expectShows } from '../support/views.js'

class Mine extends Error {}

/** store.transaction. */
export function transactionSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const fail = (store: Store, run: () => unknown): void => {
    const error = new Mine()
    let thrown: unknown
    try {
      store.transaction(() => {
        run()
        throw error
      })
    } catch (caught) {
      thrown = caught
    }
    if (thrown !== error) throw thrown ?? new Error('nothing was thrown')
  }

  const data = (): AnyRoot => ({
    users: Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`user ${n}`, { n, tags: ['x'] }])),
    small: { b: 1, '1': 2, a: { deep: [1, { er: true }] } },
    list: [1, , { two: 2 }, 'text', [4]], // prettier-ignore
    long: Array.from({ length: 200 }, (_, n) => (n % 3 === 0 ? { n } : n)),
    text: 'x'.repeat(1000),
  })

  const entries: [string | number, unknown][] = [
    ['a', { n: 1, tags: ['x', 'y'] }],
    [2, 'two'],
    ['c', [1, { n: 2 }]],
    ['d', { big: 'x'.repeat(500) }],
  ]

  const makeStore = async (
    path?: string,
  ): Promise<{ store: Store; root: AnyRoot; map: ForkstoreMap<Key, unknown> }> => {
    const store = await stores.open(path)
    Object.assign(store.root, data())
    const map = store.map('map')
    for (const [key, value] of entries) map.set(key, value)
    return { store, root: store.root, map }
  }

  const changes: Record<string, (root: AnyRoot, map: ForkstoreMap<Key, unknown>) => unknown> = {
    'a new member': (root) => (root['new'] = { a: [1] }),
    'members replaced': (root) => Object.assign(root, { small: 1, list: {}, text: ['y'] }),
    'members deleted': (root) => ['users', 'small', 'list'].map((name) => delete root[name]),
    'a member of many deleted and set again': (root) => {
      delete root['users']['user 5']
      root['users']['user 5'] = 1
    },
    'everything deleted': (root) => Object.keys(root).forEach((name) => delete root[name]),
    'small object grown large': (root) => {
      for (let n = 0; n < 100; n++) root['small'][`member ${n}`] = { n }
    },
    'large object emptied': (root) =>
      Object.keys(root['users'] as object).forEach((name) => delete root['users'][name]),
    'array changed in every way': ({ list, long }) => {
      for (const items of [list, long] as unknown[][]) {
        items.push({ a: 1 }, 2)
        items.shift()
        items.unshift('x', 'y')
        items.splice(1, 2, { s: 1 }, [2], 3)
        items.reverse()
        items.sort()
        items[50] = { far: 1 }
        delete items[0]
        items.copyWithin(0, 2, 4)
        items.fill(5, 1, 2)
        items.length -= 3
      }
    },
    'array cut off': ({ list, long }) => [(list.length = 0), (long.length = 0)],
    'map: set': (_, map) => map.set('a', 'changed').set('new', { n: 1 }),
    'map: delete and set again': (_, map) => [map.delete('a'), map.delete(2), map.set('a', 1)],
    'map: clear and fill': (_, map) => {
      map.clear()
      for (let n = 0; n < 200; n++) map.set(n, { n })
    },
    'map: patch and increment': (_, map) => map.patch('a', { tags: 1, m: [2], n: 5 }).increment('a', 'n'),
    'map: live': (_, map) => {
      const live = map.live('a') as AnyRoot
      live['tags'].push({ z: 1 })
      live['more'] = 1
      delete live['n']
      ;(map.live('c') as unknown[]).shift()
      map.set('c', 'replaced')
    },
    'map: live and deleted': (_, map) => {
      map.live('a')
      map.delete('a')
      map.live('c')
      map.clear()
    },
    nothing: () => undefined,
  }

  test.each(Object.entries(changes))('taken back: %s', async (_, change) => {
    const { store, root, map } = await makeStore()
    const views = [
      root['users'],
      root['users']['user 5'],
      root['small'].a.deep,
      root['list'],
      root['list'][2],
      root['long'][3],
      root['long'],
    ] as AnyRoot[]
    const shown = views.map((view) => copy(view) as unknown)
    const { writes } = store.stats()
    for (let round = 0; round < 2; round++) {
      fail(store, () => change(root, map))
      expectShows(root, data())
      expectEntries(map, entries)
      views.forEach((view, index) => expectSame(copy(view), shown[index]))
      expect(root['users']['user 5']).toBe(views[1])
      expect(root['list'][2]).toBe(views[4])
    }
    // The native engine keeps the shapes that it has seen, and counts them.
    if (engine === 'js') expect(store.stats().writes).toBe(writes)
    // And what is kept is kept.
    store.transaction(() => change(root, map))
    const kept = [copy(root), [...map]]
    const other = await makeStore()
    change(other.root, other.map)
    expectSame(kept, [copy(other.root), [...other.map]])
  })

  test('the result is that of the function', async () => {
    const { store, root } = await makeStore()
    expect(store.transaction(() => 5)).toBe(5)
    expect(store.transaction(() => undefined)).toBeUndefined()
    expect(store.transaction(() => root['small'] as unknown)).toBe(root['small'])
    root['small'].then = 'no promise'
    expect(store.transaction(() => root['small'] as unknown)).toBe(root['small'])
  })

  test('nested ones are parts that can be taken back', async () => {
    const { store, root, map } = await makeStore()
    store.transaction(() => {
      root['small'].outer = 1
      map.set('outer', 1)
      fail(store, () => {
        root['small'].inner = { x: 1 }
        delete root['small'].outer
        map.delete('outer')
        store.transaction(() => (root['small'].innermost = [1]))
        fail(store, () => (root['list'] = 0))
        expect(root['small']).toEqual({ ...data()['small'], inner: { x: 1 }, innermost: [1] })
        expectShows(root['list'], data()['list'] as object)
      })
      expect(root['small']).toEqual({ ...data()['small'], outer: 1 })
      store.transaction(() => (root['small'].second = 2))
    })
    expectShows(root['small'], { ...data()['small'], outer: 1, second: 2 })
    expectEntries(map, [...entries, ['outer', 1]])
    fail(store, () => {
      store.transaction(() => (root['small'] = 'kept by the inner'))
      expect(root['small']).toBe('kept by the inner')
    })
    expectShows(root['small'], { ...data()['small'], outer: 1, second: 2 })
  })

  test('views of what came in a transaction that was taken back are refused', async () => {
    const { store, root, map } = await makeStore()
    const views: AnyRoot[] = []
    fail(store, () => {
      root['new'] = { inner: { x: 1 } }
      root['list'].push({ y: 1 })
      map.set('new', { z: { w: 1 } })
      views.push(root['new'].inner as AnyRoot, root['new'] as AnyRoot, root['list'].at(-1) as AnyRoot)
      views.push(map.live('new') as AnyRoot, (map.live('new') as AnyRoot)['z'] as AnyRoot)
    })
    root['new'] = { inner: { other: 1 } }
    root['list'].push({ other: 1 })
    map.set('new', { z: { other: 1 } })
    for (const view of views) {
      expectError('ERR_FORKSTORE_DETACHED', () => view['x'] as unknown)
      expectError('ERR_FORKSTORE_DETACHED', () => (view['x'] = 1))
    }
    expectShows(root['new'], { inner: { other: 1 } })
  })

  test('views of what left in a transaction that was taken back work again', async () => {
    const { store, root, map } = await makeStore()
    const live = map.live('a') as AnyRoot
    const user = root['users']['user 7'] as AnyRoot
    fail(store, () => {
      map.delete('a')
      root['users'] = 1
      expectError('ERR_FORKSTORE_DETACHED', () => user['n'] as unknown)
      expectError('ERR_FORKSTORE_DETACHED', () => live['n'] as unknown)
    })
    user['n'] = 70
    live['n'] = 10
    expect(root['users']['user 7']).toBe(user)
    expect(copy(root['users']['user 7'])).toEqual({ n: 70, tags: ['x'] })
    expect(map.get('a')).toEqual({ n: 10, tags: ['x', 'y'] })
    expect(map.live('a')).toBe(live)
  })

  test('refusals within one take back themselves only', async () => {
    const { store, root, map } = await makeStore()
    store.transaction(() => {
      root['small'].x = 1
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => (root['small'].y = [() => 1]))
      expectError('ERR_FORKSTORE_NOT_FOUND', () => map.patch('nobody', { n: 1 }))
      map.set('x', 1)
    })
    expectShows(root['small'], { ...data()['small'], x: 1 })
    expect(map.get('x')).toBe(1)
  })

  test('nothing of a transaction can wait', async () => {
    const { store, root } = await makeStore()
    let hasRun = false
    const asynchronous: () => unknown = async () => {
      hasRun = true
      await Promise.resolve()
    }
    const before = expectError('ERR_FORKSTORE_TRANSACTION', () => store.transaction(asynchronous))
    expect(before.message).toContain('async')
    expect(hasRun).toBe(false)
    expectError('ERR_FORKSTORE_TRANSACTION', () => store.transaction(function* () { yield 1 })) // prettier-ignore
    expectError('ERR_FORKSTORE_TRANSACTION', () => store.transaction(async function* () { yield 1 })) // prettier-ignore
    for (const result of [
      Promise.resolve(1) as unknown,
      Promise.reject(new Error('unheard')),
      { then: () => undefined },
    ]) {
      const after = expectError('ERR_FORKSTORE_TRANSACTION', () =>
        store.transaction(() => {
          root['small'] = 'changed'
          return result
        }),
      )
      expect(after.message).toContain('promise')
      expectShows(root, data())
    }
    for (const nothing of [undefined, null, 1, {}, 'text']) {
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => store.transaction(nothing as never))
    }
  })

  test('a store is not closed within one', async () => {
    const { store, root } = await makeStore()
    let closing: Promise<void> | undefined
    store.transaction(() => {
      closing = store.close()
      root['small'] = 1
    })
    await expectRejection('ERR_FORKSTORE_TRANSACTION', () => closing as Promise<void>)
    expect(root['small']).toBe(1)
    await store.close()
    expectError('ERR_FORKSTORE_CLOSED', () => store.transaction(() => 1))
  })

  test('a snapshot never sees half of one', async () => {
    const path = stores.directory()
    const { store, root, map } = await makeStore(path)
    let saved: Promise<unknown> | undefined
    fail(store, () => {
      root['half'] = 1
      map.set('half', 1)
      saved = store.snapshot()
      delete root['users']
    })
    await saved
    store.transaction(() => {
      root['whole'] = 1
      saved = store.snapshot()
      map.set('whole', { other: 'half' })
    })
    await saved
    await store.close()
    const again = await stores.open(path)
    expectSame(copy(again.root), { ...data(), whole: 1 })
    expectEntries(again.map('map'), [...entries, ['whole', { other: 'half' }]])
  })

  test('maps that were made stay, empty', async () => {
    const { store } = await makeStore()
    let map: ForkstoreMap<Key, unknown> | undefined
    fail(store, () => {
      map = store.map('new').set('a', 1)
    })
    expect(map?.size).toBe(0)
    expect(store.map('new')).toBe(map)
    map?.set('b', 2)
    expectEntries(store.map('new'), [['b', 2]])
  })

  test('transactions of a getter and of a comparison function', async () => {
    const { store, root } = await makeStore()
    root['value'] = {
      get a() {
        fail(store, () => (root['small'] = 1))
        store.transaction(() => (root['by'] = 'the getter'))
        return 1
      },
    }
    root['numbers'] = [3, 1, 2]
    root['numbers'].sort((one: number, other: number) => {
      fail(store, () => (root['by'] = 'nobody'))
      return one - other
    })
    expectSame(copy(root), { ...data(), by: 'the getter', value: { a: 1 }, numbers: [1, 2, 3] })
  })

  test('many writes, taken back', async () => {
    const { store, root, map } = await makeStore()
    fail(store, () => {
      for (let n = 0; n < 20_000; n++) {
        root['users'][`user ${n % 3000}`] = { n, text: `text ${n}` }
        root['long'].push({ n })
        map.set(n % 2000, { n })
        if (n % 5 === 0) root['long'].shift()
        if (n % 7 === 0) delete root['users'][`user ${n % 50}`]
      }
    })
    expectShows(root, data())
    expectEntries(map, entries)
  })
}
