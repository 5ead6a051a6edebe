import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { ForkstoreMap, Query, query, Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectEntries, expectError, expectRejection, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/**
 * What an application has in its hands is the interface and nothing else: no data of the library that it
 * could change.
 */
export function interfaceSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const objects: Record<string, (store: Store) => object> = {
    'a map': (store) => store.map('users'),
    'an iterator of a map': (store) => store.map('users').entries(),
    'a query of a map': (store) => store.map('users').filter(() => true),
    'keys of a query': (store) => store.map('users').take(1).keys(),
    'a query of the tree': (store) => query(store.root['list'] as unknown[]),
    'an iterator of a query': (store) => query(store.root['list'] as unknown[])[Symbol.iterator](),
    'an iterator of an array': (store) => (store.root['list'] as unknown[]).values(),
    'the maps of a store': (store) => store.maps(),
  }

  const fill = (store: Store): void => {
    store.map('users').set('a', { n: 1 })
    store.root['list'] = [1, { n: 2 }]
  }

  test.each(Object.entries(objects))('%s has no members of its own', async (_, get) => {
    const store = await stores.open()
    fill(store)
    const object = get(store)
    expectSame(Reflect.ownKeys(object), [])
    expectSame(Object.keys(object), [])
    const inherited: string[] = []
    for (const name in object) inherited.push(name)
    expectSame(inherited, [])
    // By no name is there anything behind it but functions, numbers and texts.
    for (let at: object = object; at !== Object.prototype; at = Reflect.getPrototypeOf(at) as object) {
      for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
        if (name === 'constructor' || name.startsWith('_')) continue
        const value: unknown = descriptor.get === undefined ? descriptor.value : Reflect.get(at, name, object)
        expect(['function', 'number', 'string'], name).toContain(typeof value)
      }
    }
  })

  test('a store has no members of its own but those of an EventEmitter', async () => {
    const store = await stores.open()
    const names = (object: object): string[] => Reflect.ownKeys(object).map(String).sort()
    expectSame(names(store), names(new EventEmitter()))
  })

  test('a method that is called without its object says so', async () => {
    const store = await stores.open()
    fill(store)
    const map = store.map('users')
    const found: [object, string, string[]][] = [
      [store, 'store', ['map', 'dropMap', 'maps', 'transaction', 'stats', 'commitSync']],
      [map, 'map', ['forEach', 'update', 'patch', 'increment', 'getOrInsert', 'getOrInsertComputed']],
      [
        map,
        'query',
        ['filter', 'map', 'flatMap', 'take', 'drop', 'count', 'some', 'every', 'find', 'reduce'],
      ],
      [map, 'query', ['toArray', 'toSorted', 'groupBy', 'top', 'sum', 'min', 'max']],
      [map.take(1), 'query', ['keys', 'entries', 'forEach']],
    ]
    for (const [object, what, names] of found) {
      for (const name of names) {
        const method = Reflect.get(object, name) as () => unknown
        expect(method.name).toBe(name)
        for (const receiver of [undefined, {}, Object.create(object) as object, new Proxy(object, {})]) {
          const error = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
            Reflect.apply(method, receiver, []),
          )
          expect(error).toBeInstanceOf(TypeError)
          expect(error.message).toContain(`${what}.${name}(...)`)
        }
      }
    }
    for (const name of ['close', 'commit', 'snapshot'] as const) {
      const method = store[name] as () => Promise<unknown>
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => Reflect.apply(method, undefined, []))
    }
    // They are as they were: lengths, and bound ones work.
    expect([map.update.length, map.increment.length, store.transaction.length]).toEqual([2, 4, 1])
    const { count } = map
    expect(count.call(map)).toBe(1)
  })

  test('the classes are not for new', async () => {
    const store = await stores.open()
    fill(store)
    for (const Made of [Store, Query, ForkstoreMap] as unknown as (new (...given: unknown[]) => unknown)[]) {
      for (const given of [[], [undefined], [{}], [() => 1]]) {
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => new Made(...given))
      }
    }
  })

  test('views show data only, and what queries show of maps does', async () => {
    const store = await stores.open()
    fill(store)
    expectSame(Reflect.ownKeys(store.root), ['list'])
    expectSame(Reflect.ownKeys(store.root['list'] as object), ['0', '1', 'length'])
    expect(store.map('users').every((row) => Reflect.ownKeys(row as object).join() === 'n')).toBe(true)
    expectSame(Object.getOwnPropertySymbols(store.root['list']), [])
  })

  test('assigning to what is read only changes nothing, and the store opens again', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    fill(store)
    const map = store.map('users')
    const assign = (object: object, name: string): void => {
      expect(() => Object.assign(object, { [name]: 'other' }), name).toThrow(TypeError)
    }
    for (const name of ['name', 'size']) assign(map, name)
    for (const name of ['path', 'engine', 'recovered', 'root']) assign(store, name)
    // What there was once, and what anybody may put on an object, means nothing.
    for (const name of ['stored', 'notJson', 'isDropped', 'handle', 'state', 'rows']) {
      for (const object of [map, store]) Object.assign(object, { [name]: undefined })
    }
    map.set('b', 2)
    expect([map.name, store.path, store.engine]).toEqual(['users', path, engine])
    expect(map.count()).toBe(2)
    await store.close()
    const again = await stores.open(path)
    expectEntries(again.map('users'), [
      ['a', { n: 1 }],
      ['b', 2],
    ])
  })
}
