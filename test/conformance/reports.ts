import { AssertionError, deepStrictEqual } from 'node:assert'
import { inspect } from 'node:util'
import * as threads from 'node:worker_threads'
import { format } from '@vitest/pretty-format'
import { expect, test } from 'vitest'
import { copy, query, type Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/**
 * Views, as what a test has compared: what test runners do with them when the test has failed, and when its
 * store is closed.
 */
export function reportsSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const fill = (store: Store): { object: object; array: object; live: object } => {
    store.root['object'] = { a: { b: 1 } }
    store.root['array'] = [1, { b: 2 }]
    store.map('map').set('key', { c: 3 })
    return {
      object: store.root['object'] as object,
      array: store.root['array'] as object,
      live: store.map('map').live('key') as object,
    }
  }
  const leave: Record<string, (store: Store) => unknown> = {
    closed: (store) => store.close(),
    detached: (store) => {
      delete store.root['object']
      delete store.root['array']
      store.map('map').delete('key')
    },
  }

  test.each(Object.entries(leave))('Jest copies what was compared, when it is %s', async (state, end) => {
    const store = await stores.open()
    const { object, array, live } = fill(store)
    const compared = { actual: { object, live, list: [array] }, expected: 1 }
    const whole = { object: { a: { b: 1 } }, live: { c: 3 }, list: [[1, { b: 2 }]] }
    expectSame(deepCyclicCopy(compared), { actual: whole, expected: 1 })
    await end(store)
    expectSame(deepCyclicCopy(compared), { actual: { object: {}, live: {}, list: [[]] }, expected: 1 })
    // Every other use is an error, also right after it.
    const code = state === 'closed' ? 'ERR_FORKSTORE_CLOSED' : 'ERR_FORKSTORE_DETACHED'
    for (const view of [object, array, live]) {
      const uses: Record<string, () => unknown> = {
        'Object.keys': () => Object.keys(view),
        'Reflect.ownKeys': () => Reflect.ownKeys(view),
        descriptors: () => Object.getOwnPropertyDescriptors(view),
        JSON: () => JSON.stringify(view),
        spread: () => ({ ...view }),
        'for in': () => {
          for (const name in view) throw new Error(name)
        },
        length: () => (view as unknown[]).length,
        member: () => (view as Record<string, unknown>)['a'],
        deepStrictEqual: () => deepStrictEqual(view, {}),
        equality: () => expect(view).toEqual({}),
        'pretty-format': () => format(view),
      }
      for (const [name, use] of Object.entries(uses)) {
        if (name === 'member' && view === array) continue // names of arrays are methods
        if (name === 'deepStrictEqual' && view === array) continue // never equal to an object, which needs no look
        expectError(code, use)
      }
      expect(inspect(view)).toMatch(new RegExp(`^\\[${state}: (root\\.(object|array)|map\\["key"\\])\\]$`))
    }
  })

  test('messages of assertions can be made of views, and are there when the store is closed', async () => {
    const store = await stores.open()
    const { object } = fill(store)
    let error: unknown
    try {
      deepStrictEqual(object, { a: { b: 2 } })
    } catch (thrown) {
      error = thrown
    }
    await store.close()
    expect(error).toBeInstanceOf(AssertionError)
    expect((error as AssertionError).message).toMatch(/b: 2/) // node:assert cannot look behind a Proxy
    expect(inspect(error)).toContain('AssertionError')
  })

  test('what is made with the prototype of a map, and is none, is shown as an object', async () => {
    const store = await stores.open()
    const map = store.map('users')
    map.set('a', 1)
    expect(Object.prototype.toString.call(map)).toBe('[object Map]')
    expect(format(map)).toBe('Map {\n  "a" => 1,\n}')
    const shell = Object.create(Object.getPrototypeOf(map) as object) as object
    expect(Object.prototype.toString.call(shell)).toBe('[object Object]')
    expect(format(shell)).toMatch(/^\w*Map \{\}$/)
    // As Jest does for its messages.
    expectSame((map as unknown as Record<symbol, unknown>)[Symbol.for('@jest/serializableProperties')], [])
  })

  test('inspect shows a map, and views, as it shows a Map and plain data, at every depth and with every option', async () => {
    const store = await stores.open()
    const map = store.map<number | string, unknown>('map')
    const plain = new Map<number | string, unknown>()
    const same = (shown: object, plain: object): void => {
      const options = [
        {},
        ...[-1, 0, 1, 2, 3, null].map((depth) => ({ depth })),
        ...[0, 1, 3, 100, null].map((maxArrayLength) => ({ maxArrayLength })),
        { colors: true, depth: 1 },
        { colors: true, maxArrayLength: 1 },
        { compact: false },
        { breakLength: 10 },
        { showHidden: true },
        { sorted: true },
      ]
      const places = [
        (value: object) => value,
        (value: object) => ({ value }),
        (value: object) => [[[value]]],
        (value: object) => new Map([[{ value }, [value]]]),
      ]
      for (const option of options) {
        // Within others the lines may be broken elsewhere, since the text is longer by a word.
        const flat = (text: string): string => text.replaceAll('ForkstoreMap', 'Map').replace(/\s+/g, ' ')
        for (const place of places) {
          expect(flat(inspect(place(shown), option))).toBe(flat(inspect(place(plain), option)))
        }
        expect(inspect(shown, option)).toBe(inspect(plain, option).replace(/(?=\bMap\b)/, 'Forkstore'))
      }
    }
    same(map, plain)
    for (const [key, value] of [
      ['a', { b: [[1]] }],
      ['x', 1],
      [2, [1]],
    ] as const) {
      map.set(key, value)
      plain.set(key, value)
      same(map, plain)
    }
    store.root['data'] = { a: { b: { c: { d: 1 } } }, list: [1, [2, [3, [4]]]], none: {} }
    for (const option of [{}, ...[-1, 0, 1, 2, null].map((depth) => ({ depth })), { showHidden: true }]) {
      const view = store.root['data'] as object
      expect(inspect({ view }, option)).toBe(inspect({ view: copy(view) }, option))
      expect(inspect([[view]], option)).toBe(inspect([[copy(view)]], option))
    }
    for (let index = 0; index < 200; index++) map.set(index, index)
    expect(inspect(map)).toMatch(/^ForkstoreMap\(202\) \{\n[^]*\n {2}\.\.\. 102 more items\n\}$/)
    expect(inspect({ store, all: map.take(1), map }, { depth: 0 })).toMatch(
      /\[Store\],\s+all: \[Query\],\s+map: \[ForkstoreMap\]/,
    )
  })

  test('a map as JSON is what a Map is; a store and a query are refused, and say what to do', async () => {
    const store = await stores.open()
    fill(store)
    expect(JSON.stringify({ map: store.map('map') })).toBe(JSON.stringify({ map: new Map([[1, 2]]) }))
    const all = query(store.root['array'] as unknown[])
    expect(expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => JSON.stringify({ store })).message).toContain(
      'copy',
    )
    expect(expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => JSON.stringify([all])).message).toContain(
      'toArray',
    )
    expect(format(store)).toBe('Store {}')
  })

  test('structuredClone refuses maps, stores and queries where Node can be told to', async () => {
    const store = await stores.open()
    fill(store)
    const canTell = 'markAsUncloneable' in threads
    for (const object of [store, store.map('map'), store.map('map').take(1)]) {
      const clone = (): unknown => structuredClone({ object })
      if (canTell) expect(clone).toThrow(expect.objectContaining({ name: 'DataCloneError' }))
      else expect(clone).not.toThrow()
    }
    // Views are Proxies, which it refuses everywhere.
    expect(() => structuredClone(store.root)).toThrow(expect.objectContaining({ name: 'DataCloneError' }))
    // What the documentation says to pass in their place.
    const map = store.map('pairs').set(1, 2)
    // (Clones are of Node's own realm, which a vm context is not: as toEqual compares.)
    expect(structuredClone([...map])).toEqual([[1, 2]])
    expect([...(structuredClone(new Map(map)) as Iterable<unknown>)]).toEqual([[1, 2]])
    expect(structuredClone(map.take(1).toArray())).toEqual([2])
    const array = store.root['array'] as unknown[]
    expect(structuredClone(copy(array))).toEqual([...array])
    // And what it says of iterators.
    for (const iterator of [map.entries(), array.values()]) {
      expect(structuredClone(iterator)).toEqual({})
    }
  })

  test('inspect shows in short what a store is, and what a query goes through', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    fill(store)
    const map = store.map('my map')
    const query1 = query(store.root['array'] as unknown[]).take(3)
    const query2 = map.filter(() => true).drop(2).map(() => 1).flatMap(() => [1]).entries().keys() // prettier-ignore
    const shownQuery2 = `Query { of: 'map "my map"', stages: [ 'filter', 'drop(2)', 'map', 'flatMap', 'map', 'keys' ] }`
    for (let isClosed = false; ; isClosed = true) {
      const shown = inspect(store, { breakLength: Infinity })
      expect(shown).toBe(`Store { path: '${path}', engine: '${engine}', closed: ${isClosed} }`)
      expect(inspect(query1)).toBe("Query { of: 'root.array', stages: [ 'take(3)' ] }")
      expect(inspect(query2, { breakLength: Infinity })).toBe(shownQuery2)
      expect(inspect(query2, { depth: 0, breakLength: Infinity })).toBe(shownQuery2)
      expect(inspect({ store, query1 }, { depth: 0 })).toBe('{ store: [Store], query1: [Query] }')
      expect(inspect([store], { depth: -1 })).toBe('[Array]')
      expect(inspect(query1, { colors: true })).toContain('\u001b[')
      if (isClosed) break
      await store.close()
    }
    // What test runners make for their messages.
    for (const object of [store, query1]) {
      const name = object === store ? 'Store' : 'Query'
      expect(inspect(Object.create(Object.getPrototypeOf(object) as object))).toBe(`${name} {}`)
    }
  })

  test('queries and stores are shown when the store is closed', async () => {
    const store = await stores.open()
    fill(store)
    const all = query(store.root['array'] as unknown[])
    await store.close()
    expect(format(all)).toBe('Query {}')
    expect(inspect(all)).toBe("Query { of: 'root.array', stages: [] }")
    expect(inspect(store)).toBe(`Store { memoryOnly: true, engine: '${engine}', closed: true }`)
    expect(format({ store }, { maxDepth: 2 })).toContain('Store')
  })
}

/** As Jest's function of this name does, step by step. */
function deepCyclicCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  return Array.isArray(value) ? deepCyclicCopyArray(value) : deepCyclicCopyObject(value)
}

function deepCyclicCopyArray(array: unknown[]): unknown[] {
  const { length } = array
  const copied: unknown[] = []
  for (let index = 0; index < length; index++) copied[index] = deepCyclicCopy(array[index])
  return copied
}

function deepCyclicCopyObject(object: object): object {
  const descriptors = Object.getOwnPropertyDescriptors(object) as Record<string, PropertyDescriptor>
  for (const descriptor of Object.values(descriptors)) descriptor.value = deepCyclicCopy(descriptor.value)
  return Object.defineProperties({}, descriptors)
}
