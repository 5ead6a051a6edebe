import { expect, test } from 'vitest'
import type { ForkstoreMap, Key } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectSame, expectError } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/** Iterators behave as those of Map do, whatever happens to the map on the way. */
export function iterationSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const makeMap = async (...entries: [string, unknown][]): Promise<ForkstoreMap<Key, unknown>> => {
    const map = (await stores.open()).map('users')
    for (const [key, value] of entries) map.set(key, value)
    return map
  }
  const abc: [string, number][] = [['a', 1], ['b', 2], ['c', 3]] // prettier-ignore

  test('keys, values and entries, in the order of insertion', async () => {
    const map = await makeMap(...abc)
    map.set('a', 4) // keeps its place
    map.delete('b')
    map.set('b', 5) // goes to the end
    expectSame([...map.keys()], ['a', 'c', 'b'])
    expectSame([...map.values()], [4, 3, 5])
    expectSame([...map.entries()], [['a', 4], ['c', 3], ['b', 5]]) // prettier-ignore
  })

  test('the order survives growth, mixed kinds of keys and values of changing size', async () => {
    const map = await makeMap()
    const expected = new Map<string | number, unknown>()
    for (let index = 0; index < 20_000; index++) {
      const key = index % 3 === 0 ? `key ${index}` : index
      const value = 'v'.repeat(index % 50)
      map.set(key, value)
      expected.set(key, value)
    }
    for (let index = 0; index < 20_000; index += 2) {
      const key = index % 3 === 0 ? `key ${index}` : index
      if (index % 4 === 0) {
        map.delete(key)
        expected.delete(key)
      } else {
        map.set(key, 'w'.repeat(index % 300))
        expected.set(key, 'w'.repeat(index % 300))
      }
    }
    expectSame([...map], [...expected])
  })

  test('an entry that is added on the way is visited', async () => {
    const map = await makeMap(...abc)
    const seen: unknown[] = []
    for (const [key] of map) {
      seen.push(key)
      if (seen.length < 1000) map.set(`new ${seen.length}`, seen.length)
    }
    expect(seen.length).toBe(1002)
    expectSame(seen.slice(0, 5), ['a', 'b', 'c', 'new 1', 'new 2'])
  })

  test('an entry that is deleted before its turn is not visited', async () => {
    const map = await makeMap(...abc)
    const seen: unknown[] = []
    for (const key of map.keys()) {
      seen.push(key)
      map.delete('b')
    }
    expectSame(seen, ['a', 'c'])
  })

  test('the current entry may be deleted, or deleted and added again', async () => {
    const map = await makeMap(...abc)
    const seen: unknown[] = []
    for (const key of map.keys()) {
      seen.push(key)
      map.delete(key)
      if (seen.length <= 3) map.set(key, 'again')
    }
    expectSame(seen, ['a', 'b', 'c', 'a', 'b', 'c'])
    expect(map.size).toBe(0)
  })

  test('a value that is changed before its turn is seen as it is then', async () => {
    const map = await makeMap(...abc)
    const values = map.values()
    expect(values.next()).toEqual({ done: false, value: 1 })
    map.set('b', 'a much longer value than it was before')
    map.set('c', { now: 'an object' })
    expectSame([...values], ['a much longer value than it was before', { now: 'an object' }])
  })

  test('many entries may be deleted on the way, behind and ahead', async () => {
    const map = await makeMap()
    const expected = new Map<number, number>()
    for (let index = 0; index < 5000; index++) {
      map.set(index, index)
      expected.set(index, index)
    }
    const run = (on: Map<number, number>): number[] => {
      const seen: number[] = []
      for (const key of on.keys()) {
        seen.push(key)
        for (let other = key % 7; other < 5000; other += 97 + (key % 13)) on.delete(other)
        if (key % 5 === 0 && key < 10_000) on.set(10_000 + key, key)
        if (seen.length > 20_000) throw new Error('no end')
      }
      return seen
    }
    expectSame(run(map as Map<number, number>), run(expected))
    expectSame([...map], [...expected])
  })

  test('clear on the way ends it, unless entries are added', async () => {
    const map = await makeMap(...abc)
    const iterator = map.keys()
    iterator.next()
    map.clear()
    map.set('z', 1)
    expectSame([...iterator], ['z'])
    const other = map.keys()
    other.next()
    map.clear()
    expect(other.next().done).toBe(true)
  })

  test('an iterator that has ended stays ended', async () => {
    const map = await makeMap(...abc)
    const iterator = map.keys()
    expectSame([...iterator], ['a', 'b', 'c'])
    map.set('d', 4)
    expect(iterator.next()).toEqual({ done: true, value: undefined })
    map.clear()
    map.set('e', 5)
    expect(iterator.next()).toEqual({ done: true, value: undefined })
  })

  test('an iterator that was not used yet sees what was done since it was made', async () => {
    const map = await makeMap(...abc)
    const iterator = map.keys()
    map.delete('a')
    map.set('d', 4)
    expectSame([...iterator], ['b', 'c', 'd'])
  })

  test('several iterators do not disturb each other', async () => {
    const map = await makeMap(...abc)
    const pairs: unknown[] = []
    for (const outer of map.keys()) for (const inner of map.values()) pairs.push(`${outer}${String(inner)}`)
    expectSame(pairs, ['a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'c1', 'c2', 'c3'])
  })

  test('a loop that was left can be taken up again', async () => {
    const map = await makeMap(...abc)
    const iterator = map.keys()
    for (const key of iterator) if (key === 'a') break
    expectSame([...iterator], ['b', 'c'])
  })

  test('iterators look like those of Map', async () => {
    const map = await makeMap(...abc)
    const iterator = map.entries()
    expect(iterator[Symbol.iterator]()).toBe(iterator)
    expect(Object.prototype.toString.call(iterator)).toBe('[object Map Iterator]')
    expect('return' in iterator).toBe(false)
    const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object
    expect(Object.prototype.isPrototypeOf.call(iteratorPrototype, iterator)).toBe(true)
    if ('map' in iteratorPrototype) {
      const doubled = (map.values() as MapIterator<number>).map((value) => value * 2).toArray()
      expectSame(doubled, [2, 4, 6])
    }
  })

  test('entries are arrays of their own', async () => {
    const map = await makeMap(...abc)
    const [first, second] = [...map]
    first![0] = 'changed'
    expect(second![0]).toBe('b')
    expectSame([...map.keys()], ['a', 'b', 'c'])
  })

  test('forEach visits what is added on the way', async () => {
    const map = await makeMap(...abc)
    const seen: unknown[] = []
    map.forEach((_value, key) => {
      seen.push(key)
      if (key === 'b') map.set('d', 4).delete('c')
    })
    expectSame(seen, ['a', 'b', 'd'])
  })

  test('an iterator under way says so when the store is closed', async () => {
    const store = await stores.open()
    const map = store.map('users').set('a', 1).set('b', 2)
    const iterator = map.keys()
    iterator.next()
    await store.close()
    expectError('ERR_FORKSTORE_CLOSED', () => iterator.next())
  })
}
