import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { ForkstoreMap } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectSame, expectEntries, expectError } from '../support/expect.js'
import { Stores } from '../support/stores.js'
import type { Key } from '../../lib/index.js'

/** The interface of JavaScript's Map. */
export function mapSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const makeMap = async (): Promise<ForkstoreMap<Key, unknown>> => (await stores.open()).map('users')

  test('a new map is empty', async () => {
    const map = await makeMap()
    expect(map.size).toBe(0)
    expect(map.has('a')).toBe(false)
    expect(map.get('a')).toBe(undefined)
    expect(map.delete('a')).toBe(false)
    expectEntries(map, [])
  })

  test('the same name gives the same object, another name another map', async () => {
    const store = await stores.open()
    const users = store.map('users')
    expect(store.map('users')).toBe(users)
    store.map('others').set('a', 1)
    expect(users.size).toBe(0)
    expect(users.name).toBe('users')
  })

  test('map names may be any string but the empty one', async () => {
    const store = await stores.open()
    const names = ['__proto__', 'constructor', '\0', 'Ω', '\ud800', 'a b', 'n'.repeat(300)]
    names.forEach((name, index) => store.map(name).set('k', index))
    names.forEach((name, index) => expect(store.map(name).get('k')).toBe(index))
    expectSame(
      [...store.maps()].map(({ name }) => name),
      names,
    )
    expect(store.stats().maps).toBe(names.length)
  })

  test('set, get, has, delete', async () => {
    const map = await makeMap()
    expect(map.set('a', 1)).toBe(map)
    map.set('b', 2).set('a', 3)
    expect(map.get('a')).toBe(3)
    expect(map.has('b')).toBe(true)
    expect(map.size).toBe(2)
    expect(map.delete('a')).toBe(true)
    expect(map.delete('a')).toBe(false)
    expect(map.has('a')).toBe(false)
    expectEntries(map, [['b', 2]])
  })

  test('undefined is a value', async () => {
    const map = await makeMap()
    map.set('a', undefined)
    expect(map.has('a')).toBe(true)
    expect(map.size).toBe(1)
    expect(map.delete('a')).toBe(true)
  })

  test('values are copied in and out', async () => {
    const map = await makeMap()
    const user = { tags: ['x'], when: new Date(1), bytes: Buffer.from('ab') }
    map.set('a', user)
    user.tags.push('y')
    user.when.setTime(2)
    user.bytes[0] = 0
    const first = map.get('a') as typeof user
    expectSame(first, { tags: ['x'], when: new Date(1), bytes: Buffer.from('ab') })
    first.tags.length = 0
    first.bytes[1] = 0
    first.when.setTime(3)
    expectSame(map.get('a'), { tags: ['x'], when: new Date(1), bytes: Buffer.from('ab') })
    expect(map.get('a')).not.toBe(map.get('a'))
    for (const value of map.values()) (value as typeof user).tags.push('z')
    expectSame((map.get('a') as typeof user).tags, ['x'])
  })

  test('clear', async () => {
    const map = await makeMap()
    for (let index = 0; index < 1000; index++) map.set(index, { index })
    map.clear()
    expect(map.size).toBe(0)
    expect(map.has(5)).toBe(false)
    expectEntries(map, [])
    map.clear()
    map.set('again', 1)
    expectEntries(map, [['again', 1]])
  })

  test('forEach', async () => {
    const map = await makeMap()
    map.set('a', 1).set('b', [2])
    const seen: unknown[] = []
    const receiver = {}
    map.forEach(function (this: unknown, value, key, whole) {
      seen.push([value, key, whole === map, this === receiver])
    }, receiver)
    expectSame(seen, [[1, 'a', true, true], [[2], 'b', true, true]]) // prettier-ignore
  })

  test('getOrInsert', async () => {
    const map = await makeMap()
    const list = [1]
    const got = map.getOrInsert('a', list)
    expectSame(got, [1])
    expect(got).not.toBe(list)
    expectSame(map.getOrInsert('a', 'other'), [1])
    map.set('u', undefined)
    expect(map.getOrInsert('u', 1)).toBe(undefined)
  })

  test('getOrInsertComputed', async () => {
    const map = await makeMap()
    const asked: unknown[] = []
    const compute = (key: unknown): unknown => {
      asked.push(key)
      return { made: key }
    }
    expectSame(map.getOrInsertComputed('a', compute), { made: 'a' })
    expectSame(map.getOrInsertComputed('a', compute), { made: 'a' })
    expectSame(asked, ['a'])
    expect(() => map.getOrInsertComputed('b', () => { throw new RangeError('mine') })).toThrow(new RangeError('mine')) // prettier-ignore
    expect(map.has('b')).toBe(false)
    map.getOrInsertComputed('c', () => {
      map.set('c', 'during')
      return 'after'
    })
    expect(map.get('c')).toBe('after')
  })

  test('getOrInsertComputed is asked for the key 0, never -0', async () => {
    const map = await makeMap()
    expect(map.getOrInsertComputed(-0, (key) => Object.is(key, 0))).toBe(true)
    expect(map.getOrInsertComputed('-0', (key) => key)).toBe('-0')
  })

  test('after close it can still be shown', async () => {
    const store = await stores.open()
    const map = store.map('users').set('a', 1)
    expect(inspect({ map })).toContain("'a' => 1")
    await store.close()
    expect(inspect(map)).toBe('ForkstoreMap(closed)')
  })

  test('it is what it says', async () => {
    const map = await makeMap()
    map.set('a', { b: 1 })
    expect(map).toBeInstanceOf(ForkstoreMap)
    expect(Object.prototype.toString.call(map)).toBe('[object Map]')
    expectSame(new Map(map as Map<unknown, unknown>), new Map([['a', { b: 1 }]]))
    expectSame([...map], [['a', { b: 1 }]])
    expect(map[Symbol.iterator]).toBeTypeOf('function')
    expect(inspect(map)).toBe("ForkstoreMap(1) { 'a' => { b: 1 } }")
  })

  test('it has the methods of Map', async () => {
    const map = await makeMap()
    const missing = Reflect.ownKeys(Map.prototype).filter((name) => !(name in map))
    expect(missing).toEqual([])
  })

  test('a getter may write to the map while its value is being stored', async () => {
    const map = await makeMap()
    map.set('outer', {
      before: 'long enough to matter',
      get nested() {
        map.set('inner', { a: 'another long string' }).delete('gone')
        return map.get('inner')
      },
      after: [1, 2, 3],
    })
    expectSame(map.get('outer'), {
      before: 'long enough to matter',
      nested: { a: 'another long string' },
      after: [1, 2, 3],
    })
    expectSame(map.get('inner'), { a: 'another long string' })
  })

  test('a getter that throws leaves everything as it was', async () => {
    const map = await makeMap()
    map.set('a', 1)
    const value = { x: { get bad(): never { throw new SyntaxError('mine') } } } // prettier-ignore
    expect(() => map.set('a', value)).toThrow(new SyntaxError('mine'))
    expect(() => map.set('b', value)).toThrow(new SyntaxError('mine'))
    expectEntries(map, [['a', 1]])
    map.set('a', { good: true })
    expectSame(map.get('a'), { good: true })
  })

  test('wrong arguments', async () => {
    const map = await makeMap()
    map.set('a', { n: 1 })
    for (const key of [undefined, null, true, {}, [], Symbol('s'), () => 1] as never[]) {
      for (const use of [
        () => map.get(key),
        () => map.has(key),
        () => map.set(key, 1),
        () => map.delete(key),
        () => map.patch(key, {}),
        () => map.increment(key, 'n' as never),
        () => map.getOrInsert(key, 1),
        () => map.getOrInsertComputed(key, () => 1),
      ]) {
        expect(expectError('ERR_FORKSTORE_UNSUPPORTED_KEY', use).message).toMatch(
          /^users: a key must be a string, number or bigint, not /,
        )
      }
    }
    const invalid: (() => unknown)[] = [
      () => map.forEach(undefined as never),
      () => map.forEach({} as never),
      () => map.getOrInsertComputed('z', 1 as never),
      () => map.getOrInsertComputed('a', undefined as never),
      ...[undefined, null, 1, 'x', [1], new Date(), new Map(), () => 1].map(
        (bad) => () => map.patch('a', bad as never),
      ),
      ...[undefined, null, 1, {}, Symbol('s')].map((bad) => () => map.increment('a', bad as never)),
      ...[null, '1', 1n, {}, Symbol('s')].map((bad) => () => map.increment('a', 'n' as never, bad as never)),
    ]
    for (const use of invalid) expectError('ERR_FORKSTORE_INVALID_ARGUMENT', use)
    expectEntries(map, [['a', { n: 1 }]])
  })
}
