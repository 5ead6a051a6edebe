import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { copy } from '../../lib/index.js'
import type { AnyRoot, ForkstoreMap, Key } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectEntries, expectError, expectRejection, expectSame } from '../support/expect.js'
import { storable } from '../support/samples.js'
import { Stores } from '../support/stores.js'
import { expectShows, isContainer } from '../support/views.js'

const user = { name: 'Ada Lovelace', visits: 1, options: { newsletter: false }, tags: ['x', 'y'] }

/** map.live: views of entries. */
export function liveSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const makeMap = async (): Promise<ForkstoreMap<Key, AnyRoot>> => {
    const map = (await stores.open()).map<Key, AnyRoot>('users')
    return map
      .set('first', { n: 0 })
      .set('a@b', user)
      .set(7, [1, { n: 2 }] as never)
      .set('last', { n: 9 })
  }

  test('changes the entry in place', async () => {
    const map = await makeMap()
    const live = map.live('a@b') as AnyRoot
    expectShows(live, user)
    live['visits']++
    live['options'].newsletter = true
    live['tags'].push('z')
    live['more'] = { deep: [1] }
    delete live['name']
    const changed = { visits: 2, options: { newsletter: true }, tags: ['x', 'y', 'z'], more: { deep: [1] } }
    expectShows(live, changed)
    expectEntries(map as never, [['first', { n: 0 }], ['a@b', changed], [7, [1, { n: 2 }]], ['last', { n: 9 }]]) // prettier-ignore
    expect(map.size).toBe(4)
    expect(map.live('a@b')).toBe(live)
    expect(inspect(live)).toBe(inspect(changed))
  })

  test.each(storable)('of: $name', async (sample) => {
    const map = await makeMap()
    const expected = 'stored' in sample ? sample.stored : sample.value
    map.set('value', sample.value as never)
    const live: unknown = map.live('value')
    if (isContainer(expected)) {
      expectSame(copy(live as object), expected)
      expect(map.live('value')).toBe(live)
      expectSame(map.get('value'), expected)
    } else {
      expectSame(live, expected)
    }
    map.set('in', { value: sample.value, after: 1 })
    const inside = map.live('in') as AnyRoot
    expectSame(copy(inside), { value: expected, after: 1 })
    inside['again'] = sample.value
    inside['value'] = 1
    expectSame(map.get('in'), { value: 1, after: 1, again: expected })
  })

  test('nobody there, other keys', async () => {
    const map = await makeMap()
    expect(map.live('nobody')).toBeUndefined()
    expect((map.live(7) as unknown as unknown[]).push(3)).toBe(3)
    expectSame(map.get(7), [1, { n: 2 }, 3])
    map.set(-0, { zero: 1 }).set(5n, { big: 1 }).set(NaN, { nan: 1 }).set('', { empty: 1 })
    for (const key of [0, -0, 5n, NaN, '']) {
      const live = map.live(key) as AnyRoot
      live['added'] = 1
      expect(map.get(key)).toHaveProperty('added', 1)
      expect(map.live(key)).toBe(live)
    }
    expect(map.live(0)).toBe(map.live(-0))
    expectError('ERR_FORKSTORE_UNSUPPORTED_KEY', () => map.live({} as never))
  })

  test('other ways of writing work on the same entry', async () => {
    const map = await makeMap()
    const live = map.live('a@b') as AnyRoot
    const { options, tags } = live
    map.patch('a@b', { visits: 5, options: { fresh: true }, added: [1] })
    expect(map.increment('a@b', 'visits', 2)).toBe(7)
    expect(live['visits']).toBe(7)
    expect(live['options'].fresh).toBe(true)
    expect(live['tags']).toBe(tags)
    expect(live['added']).toEqual([1])
    expectError('ERR_FORKSTORE_DETACHED', () => options.newsletter as unknown)
    expect(map.increment('a@b', 'count')).toBe(1)
    expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.increment('a@b', 'tags'))
    expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.patch(7, { n: 1 }))
    map.live(7)
    expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.patch(7, { n: 1 }))
    expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.increment(7, 'n'))
    const whole = {
      name: user.name,
      visits: 7,
      options: { fresh: true },
      tags: ['x', 'y'],
      added: [1],
      count: 1,
    }
    expectSame(map.get('a@b'), whole)
    for (let n = 0; n < 100; n++) map.patch('a@b', { [`field ${n}`]: { n } })
    expect(live['field 99']).toEqual({ n: 99 })
    expect(Object.keys(map.get('a@b') as AnyRoot)).toHaveLength(106)
    expect(map.increment('a@b', 'visits')).toBe(8)
  })

  test('ends when the entry is set anew, deleted or cleared', async () => {
    const map = await makeMap()
    const endings: (() => unknown)[] = [
      () => map.set('a@b', user),
      () => map.delete('a@b'),
      () => map.clear(),
      () => map.set('a@b', map.live('a@b') as AnyRoot),
    ]
    for (const end of endings) {
      map.set('a@b', user)
      const live = map.live('a@b') as AnyRoot
      const options = live['options'] as AnyRoot
      end()
      map.set('other', user)
      map.live('other')
      const error = expectError('ERR_FORKSTORE_DETACHED', () => live['visits'] as unknown)
      expect(error.message).toContain('users["a@b"]')
      expectError('ERR_FORKSTORE_DETACHED', () => (live['visits'] = 1))
      expectError('ERR_FORKSTORE_DETACHED', () => (options['newsletter'] = true))
      expectSame(map.get('other'), user)
    }
  })

  test('refusals name the entry and change nothing', async () => {
    const map = await makeMap()
    const live = map.live('a@b') as AnyRoot
    expect(expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => (live['options'].fn = () => 1)).message).toBe(
      'users["a@b"].options.fn: a function cannot be stored',
    )
    expect(
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => (map.live(7) as AnyRoot)['push'](1, [Symbol('s')]))
        .message,
    ).toBe('users[7][3][0]: a symbol cannot be stored')
    expectSame(map.get('a@b'), user)
    expectSame(map.get(7), [1, { n: 2 }])
  })

  test('iterators and queries go along', async () => {
    const map = await makeMap()
    const iterator = map.entries()
    expect(iterator.next().value?.[0]).toBe('first')
    const live = map.live('a@b') as AnyRoot
    live['name'] = 'x'.repeat(500)
    expectSame([...iterator], [['a@b', { ...user, name: 'x'.repeat(500) }], [7, [1, { n: 2 }]], ['last', { n: 9 }]]) // prettier-ignore
    expectSame([...map.keys()], ['first', 'a@b', 7, 'last'])
    expectSame([...map.values()][1], { ...user, name: 'x'.repeat(500) })
  })

  test('is saved and loaded', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = store.map<Key, AnyRoot>('users').set('a', user).set('b', user).set('c', user)
    const live = map.live('a') as AnyRoot
    live['list'] = [1, , -0, NaN, undefined, 5n] // prettier-ignore
    map.live('c')
    await store.close()
    expectError('ERR_FORKSTORE_CLOSED', () => live['list'] as unknown)
    const again = await stores.open(path)
    const users = again.map<Key, AnyRoot>('users')
    expectEntries(users as never, [['a', { ...user, list: [1, , -0, NaN, undefined, 5n] }], ['b', user], ['c', user]]) // prettier-ignore
    const one = users.live('a') as AnyRoot
    one['list'].pop()
    users.patch('c', { visits: 2 })
    const saved = again.snapshot()
    await saved
    one['visits']++
    await again.close()
    const last = await stores.open(path)
    expectSame(last.map('users').get('a'), { ...user, visits: 2, list: [1, , -0, NaN, undefined] }) // prettier-ignore
    await last.close()
    await expectRejection('ERR_FORKSTORE_CLOSED', () => last.snapshot())
  })

  test('many entries', async () => {
    const map = (await stores.open()).map<Key, AnyRoot>('users')
    for (let n = 0; n < 3000; n++) map.set(n, { n, list: [] })
    for (let n = 0; n < 3000; n += 2) (map.live(n) as AnyRoot)['list'].push({ n })
    for (let n = 0; n < 3000; n += 3) map.delete(n)
    for (let n = 0; n < 3000; n += 5) map.set(n, { n: -n, list: [] })
    let expected = 0
    for (let n = 0; n < 3000; n++) if (n % 2 === 0 && n % 3 !== 0 && n % 5 !== 0) expected++
    expect(map.count((value) => value['list'].length === 1)).toBe(expected)
    map.clear()
    expect(map.count()).toBe(0)
    map.set(1, { n: 1 })
    expectShows(map.live(1), { n: 1 })
  })
}
