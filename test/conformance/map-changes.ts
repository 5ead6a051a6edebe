import { expect, test } from 'vitest'
import { copy, type AnyRoot, type ForkstoreMap, type Key, type Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectEntries, expectError, expectSame } from '../support/expect.js'
import { storable } from '../support/samples.js'
import { Stores } from '../support/stores.js'

type Fields = Record<string, unknown>

/** update; increment of numbers and with an initial value; fields removed by patch; store.maps(). */
export function mapChangesSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const makeMap = async (value?: unknown): Promise<ForkstoreMap<Key, Fields>> => {
    const map = (await stores.open()).map<Key, Fields>('users')
    return value === undefined ? map : map.set('a', value as Fields)
  }
  const numbers = async (): Promise<ForkstoreMap<Key, number>> =>
    (await stores.open()).map<Key, number>('numbers')

  /** Runs it in a store with a log, and looks at what comes back from that alone. */
  const expectLogged = async (write: (store: Store) => void): Promise<void> => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: false, durability: 'commit' })
    write(store)
    await store.commit()
    const expected = [...store.maps()].map((map) => [map.name, [...map]])
    await store.close()
    const again = await stores.open(path, { snapshot: false })
    expectSame([...again.maps()].map((map) => [map.name, [...map]]), expected) // prettier-ignore
  }

  test('update stores what the function makes of the value', async () => {
    const map = await makeMap({ n: 1, list: [1] })
    expectSame(map.update('a', (user) => ({ ...user, n: 2 })), { n: 2, list: [1] }) // prettier-ignore
    expectSame(map.get('a'), { n: 2, list: [1] })
    // What it is given is a copy, which may be changed and returned.
    const given = map.update('a', (user) => {
      ;(user!['list'] as number[]).push(2)
      return user!
    })
    expectSame(given, { n: 2, list: [1, 2] })
    expectSame(map.get('a'), { n: 2, list: [1, 2] })
    ;(given['list'] as number[]).push(3)
    expectSame(map.get('a'), { n: 2, list: [1, 2] })
    expectSame(map.update('b', (user) => ({ was: user })), { was: undefined }) // prettier-ignore
    expectSame(map.update(-0, () => ({ n: 0 })), { n: 0 }) // prettier-ignore
    expectSame([...map.keys()], ['a', 'b', 0])
    const counts = map as unknown as ForkstoreMap<string, number>
    for (let n = 1; n < 4; n++) expect(counts.update('count', (value) => (value ?? 0) + 1)).toBe(n)
    expect(counts.update('count', (value) => value!)).toBe(3)
  })

  test.each(storable)('update to: $name', async (sample) => {
    const expected = 'stored' in sample ? sample.stored : sample.value
    if (expected === undefined) return
    const map = (await stores.open()).map('values')
    expectSame(map.set('a', 1).update('a', () => sample.value), expected) // prettier-ignore
    expectSame(map.get('a'), expected)
    expectSame(map.update('a', (value) => value), expected) // prettier-ignore
    expectSame(map.get('a'), expected)
  })

  test('update: undefined does not take the place of a value', async () => {
    const map = (await stores.open()).map('values').set('a', { n: 1 }).set('u', undefined)
    const forgotten = (user: unknown): void => {
      ;(user as { n: number }).n++
    }
    const { message } = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => map.update('a', forgotten))
    expect(message).toMatch(/return the new one/)
    expect(map.update('nobody', (value) => value)).toBeUndefined()
    expect(map.update('u', (value) => value)).toBeUndefined()
    expectEntries(map, [
      ['a', { n: 1 }],
      ['u', undefined],
    ])
  })

  test('update: a function that throws, or gives what cannot be stored, changes nothing', async () => {
    const map = await makeMap({ n: 1 })
    const thrown = new Error('mine')
    const change = (user: Fields | undefined): never => {
      user!['n'] = 2
      throw thrown
    }
    expect(() => map.update('a', change)).toThrow(thrown)
    const { message } = expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => map.update('a', () => ({ f: [() => 1] }))) // prettier-ignore
    expect(message).toBe('users["a"].f[0]: a function cannot be stored')
    for (const wrong of [undefined, null, 1, 'x', {}]) {
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => map.update('a', wrong as never))
    }
    for (const bad of [undefined, null, {}, Symbol('s')]) {
      let calls = 0
      expectError('ERR_FORKSTORE_UNSUPPORTED_KEY', () => map.update(bad as never, () => ({ n: ++calls })))
      expect(calls).toBe(0)
    }
    expectEntries(map as never, [['a', { n: 1 }]])
  })

  test('update: nothing of it can wait', async () => {
    const map = await makeMap({ n: 1 })
    let calls = 0
    const asynchronous = async (user: Fields | undefined): Promise<Fields> => {
      calls++
      await Promise.resolve()
      return user!
    }
    const { message } = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
      map.update('a', asynchronous as never),
    )
    expect(message).toMatch(/await first/)
    expect(calls).toBe(0)
    for (const promise of [
      Promise.resolve({}),
      Promise.reject(new Error('never heard of')),
      { then: () => 1 },
    ]) {
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => map.update('a', () => promise as never))
    }
    // A member of that name is data.
    map.set('b', { then: 1 })
    expectSame(map.update('a', () => map.live('b') as Fields), { then: 1 }) // prettier-ignore
    expectSame(map.get('a'), { then: 1 })
  })

  test('update: what the function writes meanwhile stays, but for the entry', async () => {
    const store = await stores.open()
    const map = store.map<string, Fields>('users').set('a', { n: 1 })
    map.update('a', (user) => {
      map.set('a', { n: 50 }).set('b', { n: 2 })
      map.update('a', () => ({ n: 60 }))
      return { n: (user!['n'] as number) + 1 }
    })
    expectEntries(map as never, [
      ['a', { n: 2 }],
      ['b', { n: 2 }],
    ])
    map.update('a', (user) => (map.delete('a'), { n: (user!['n'] as number) + 1 }))
    expectSame([...map.keys()], ['b', 'a'])
    map.clear()
    map.update('c', () => (map.set('d', {}), {}))
    expectSame([...map.keys()], ['d', 'c'])
    expectError('ERR_FORKSTORE_DETACHED', () => map.update('c', () => (store.dropMap('users'), {})))
    expect(store.map('users').size).toBe(0)
    const other = store.map<string, Fields>('other').set('a', { n: 1 })
    const closing: Promise<void>[] = []
    expectError('ERR_FORKSTORE_CLOSED', () => other.update('a', () => (closing.push(store.close()), {})))
    await Promise.all(closing)
  })

  test('increment of entries that are numbers', async () => {
    const map = await numbers()
    map
      .set('a', 1)
      .set('n', NaN)
      .set('z', -0)
      .set('i', 2 ** 31 - 1)
    expect(map.increment('a')).toBe(2)
    expect(map.increment('a', 40)).toBe(42)
    expect(map.increment('a', -0.5)).toBe(41.5)
    expect(map.increment('a', undefined)).toBe(42.5)
    expect(map.increment('n', 1)).toBe(NaN)
    expect(map.increment('z', -0)).toBe(-0)
    expect(map.increment('i')).toBe(2 ** 31)
    expect(map.increment('i', Infinity)).toBe(Infinity)
    expectEntries(map as never, [
      ['a', 42.5],
      ['n', NaN],
      ['z', -0],
      ['i', Infinity],
    ])
  })

  test('increment with an initial value of the entry', async () => {
    const map = await numbers()
    expect(map.increment('a', 2, { initial: 10 })).toBe(12)
    expect(map.increment('a', 2, { initial: 10 })).toBe(14)
    expect(map.increment('b', undefined, { initial: 0 })).toBe(1)
    expect(map.increment(5n, 1, { initial: -0 })).toBe(1)
    expectEntries(map as never, [
      ['a', 14],
      ['b', 1],
      [5n, 1],
    ])
    const users = await makeMap()
    const initial = { name: 'Ada', visits: 5, list: [1] }
    expect(users.increment('a', 'visits', 1, { initial })).toBe(6)
    expect(users.increment('a', 'visits', 2, { initial })).toBe(8)
    expect(users.increment('b', 'visits', undefined, { initial: { name: 'Bob' } })).toBe(1)
    expect(users.increment('c', 'visits', 3, { initial: { visits: undefined } })).toBe(3)
    expect(users.increment('d', '__proto__', 3, { initial: { n: 1 } })).toBe(3)
    initial.list.push(2)
    expectSame([...users.values()], [
      { name: 'Ada', visits: 8, list: [1] },
      { name: 'Bob', visits: 1 },
      { visits: 3 },
      JSON.parse('{ "n": 1, "__proto__": 3 }'),
    ]) // prettier-ignore
  })

  test('increment says what is wrong, and changes nothing', async () => {
    const map = (await stores.open()).map('m')
    const entries: [string, unknown][] = [['text', 'x'], ['user', { n: 1, s: 'x' }], ['list', [1]], ['u', undefined], ['big', 1n]] // prettier-ignore
    for (const [key, value] of entries) map.set(key, value)
    const any = map as unknown as { increment(...given: unknown[]): number }
    expect(expectError('ERR_FORKSTORE_NOT_FOUND', () => any.increment('nobody')).message).toBe('m["nobody"] is not there') // prettier-ignore
    expectError('ERR_FORKSTORE_NOT_FOUND', () => any.increment('nobody', 1, {}))
    expectError('ERR_FORKSTORE_NOT_FOUND', () => any.increment('nobody', 'n', 1, {}))
    for (const key of ['text', 'list', 'u', 'big']) {
      const { message } = expectError('ERR_FORKSTORE_WRONG_TYPE', () => any.increment(key, 1, { initial: 1 }))
      expect(message).toBe(`m["${key}"]: only a number can be incremented`)
    }
    const { message } = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => any.increment('user', 1))
    expect(message).toContain('field must be named')
    expectError('ERR_FORKSTORE_WRONG_TYPE', () => any.increment('user', 's', 1, { initial: { s: 1 } }))
    expectError('ERR_FORKSTORE_WRONG_TYPE', () => any.increment('new', 's', 1, { initial: { s: 'x' } }))
    expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () =>
      any.increment('new', 's', 1, { initial: { f: () => 1 } }),
    )
    for (const wrong of [null, '1', 1n, {}, []]) {
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => any.increment('user', 'n', wrong))
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => any.increment('new', 1, { initial: wrong }))
    }
    for (const wrong of [null, '1', 1n, 1, [], new Date()]) {
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => any.increment('new', 'n', 1, { initial: wrong }))
    }
    for (const wrong of [null, 1, 'text', [], { inital: 1 }, { initial: 1, more: 1 }]) {
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => any.increment('new', 1, wrong))
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => any.increment('new', 'n', 1, wrong))
    }
    expectEntries(map, entries)
  })

  test('patch removes fields', async () => {
    const map = await makeMap({ a: 1, b: { x: 1 }, c: 'text', d: undefined })
    expect(map.patch('a', { e: 5, a: 2 }, { remove: ['b', 'd', 'nothing'] })).toBe(map)
    expectSame(map.get('a'), { a: 2, c: 'text', e: 5 })
    map.patch('a', {}, { remove: ['a'] })
    expectSame(map.get('a'), { c: 'text', e: 5 })
    // What is undefined is there.
    map.patch('a', { c: undefined }, { remove: [] })
    expectSame(map.get('a'), { c: undefined, e: 5 })
    map.patch('a', {}, {}).patch('a', {}, { remove: ['c', 'e', 'c'] })
    expectSame(map.get('a'), {})
    map
      .patch('a', JSON.parse('{ "__proto__": 1, "x": 1 }') as Fields)
      .patch('a', {}, { remove: ['__proto__', 'toString'] })
    expectSame(map.get('a'), { x: 1 })
  })

  test('patch removes fields of large and small objects, with and without a live view', async () => {
    for (const count of [1, 3, 60, 70, 500]) {
      for (const isLive of [false, true]) {
        const map = await makeMap(Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, n % 5 === 0 ? { n } : n]))) // prettier-ignore
        const model = map.get('a')!
        const view = isLive ? map.live('a') : undefined
        const inner = view?.['f5']
        for (let n = 0; n < count; n += 2) {
          map.patch('a', { [`f${n + 1}`]: 'set', [`new${n}`]: n }, { remove: [`f${n}`, 'nothing'] })
          model[`f${n + 1}`] = 'set'
          model[`new${n}`] = n
          Reflect.deleteProperty(model, `f${n}`)
        }
        expectSame(map.get('a'), model)
        if (view === undefined) continue
        // Live views go on, and those of what was removed or replaced have gone.
        expect(map.live('a')).toBe(view)
        expectSame(copy(view), model)
        if (inner !== undefined) expectError('ERR_FORKSTORE_DETACHED', () => (inner as AnyRoot)['n'])
      }
    }
  })

  test('patch: all or nothing', async () => {
    const fields = { a: 1, b: { x: 1 }, c: [1] }
    for (const isLive of [false, true]) {
      const map = await makeMap(fields)
      const view = isLive ? map.live('a') : undefined
      const thrown = new Error('mine')
      const throwing = { a: 2, get d(): number { throw thrown } } // prettier-ignore
      expect(() => map.patch('a', throwing, { remove: ['b'] })).toThrow(thrown)
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => map.patch('a', { a: 2, d: () => 1 }, { remove: ['b'] })) // prettier-ignore
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => map.patch('a', { a: 2, b: 1 }, { remove: ['b'] }))
      for (const wrong of [
        null,
        1,
        'b',
        [],
        { removes: ['b'] },
        { remove: 'b' },
        { remove: [1] },
        { remove: [Symbol('b')] },
        { remove: null },
      ]) {
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => map.patch('a', { a: 2 }, wrong as never))
      }
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
        map.patch('a', undefined as never, { remove: ['b'] }),
      )
      expectError('ERR_FORKSTORE_NOT_FOUND', () => map.patch('nobody', {}, { remove: ['b'] }))
      expectEntries(map as never, [['a', fields]])
      if (view !== undefined) expect(map.live('a')).toBe(view)
      map.set('text', 'x' as never)
      expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.patch('text', {}, { remove: ['length'] }))
    }
  })

  test('patch: a getter may change the entry, and a transaction takes all of it back', async () => {
    const store = await stores.open()
    const map = store.map<string, Fields>('users').set('a', { a: 1, b: 2 })
    map.patch('a', { get c() { map.patch('a', { byGetter: 1 }, { remove: ['a'] }); return 3 } }, { remove: ['b'] }) // prettier-ignore
    expectSame(map.get('a'), { byGetter: 1, c: 3 })
    for (const isLive of [false, true]) {
      if (isLive) map.live('a')
      expect(() => store.transaction(() => {
        map.patch('a', { d: 4 }, { remove: ['c'] }).update('b', () => ({ n: 1 }))
        expectSame([...map.values()], [{ byGetter: 1, d: 4 }, { n: 1 }])
        throw new Error('back')
      })).toThrow('back') // prettier-ignore
      expectEntries(map as never, [['a', { byGetter: 1, c: 3 }]])
    }
  })

  test('all of it is in the log', async () => {
    await expectLogged((store) => {
      const users = store
        .map<string, Fields>('users')
        .set('a', { n: 1, gone: { x: 1 } })
        .set('live', { n: 1, gone: [1] })
      const view = users.live('live') as AnyRoot
      users.patch('a', { m: 2 }, { remove: ['gone'] }).patch('live', { m: NaN }, { remove: ['gone', 'n'] })
      users.update('b', () => ({ n: 5n }))
      users.update('a', (user) => ({ ...user, date: new Date(5) }))
      users.increment('new', 'n', 1, { initial: { name: 'New' } })
      view['after'] = { the: 'patch' }
      const counts = store.map<string, number>('counts')
      for (const key of ['x', 'y', 'x']) counts.increment(key, 1, { initial: 0.5 })
      counts.increment('x', NaN)
      expect(() => users.patch('a', { bad: () => 1 }, { remove: ['m'] })).toThrow()
      users.patch('a', { last: 1 }, { remove: ['m'] })
    })
  })

  test('maps come one after the other, in the order of making', async () => {
    const store = await stores.open()
    expectSame([...store.maps()], [])
    const a = store.map('a').set('k', 1).set('l', 2)
    const b = store.map('b')
    const given = [...store.maps()]
    expect(given[0]).toBe(a)
    expect(given[1]).toBe(b)
    expectSame(given.map(({ name, size }) => [name, size]), [['a', 2], ['b', 0]]) // prettier-ignore
    const maps = store.maps()
    expect(maps[Symbol.iterator]()).toBe(maps)
    expect(maps.next().value).toBe(a)
    // Dropped before its turn: left out, not made again. Made meanwhile: comes last.
    store.dropMap('b')
    const c = store.map('c')
    const b2 = store.map('b')
    expect([...maps]).toEqual([c, b2])
    expect([...store.maps()].map(({ name }) => name)).toEqual(['a', 'c', 'b'])
    for (const { name } of store.maps()) store.dropMap(name)
    expectSame([...store.maps()], [])
    expect(store.stats().maps).toBe(0)
  })

  test('maps: those of an opened store, asked for or not', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    for (let n = 0; n < 200; n++) store.map(`m${n}`).set('n', n)
    await store.close()
    const again = await stores.open(path)
    const seventh = again.map('m7')
    let count = 0
    for (const map of again.maps()) {
      expect(map.name).toBe(`m${count}`)
      expectSame([...map], [['n', count]])
      expect(again.map(map.name)).toBe(map)
      count++
    }
    expect(count).toBe(200)
    expect([...again.maps()][7]).toBe(seventh)
    expect(() => again.transaction(() => { again.dropMap('m7'); throw new Error('back') })).toThrow('back') // prettier-ignore
    expect([...again.maps()][7]).toBe(seventh)
  })
}
