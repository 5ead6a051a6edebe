import { expect, test } from 'vitest'
import type { EngineName } from '../support/engines.js'
import { expectSame, expectEntries, expectError } from '../support/expect.js'
import { keys } from '../support/samples.js'
import { Stores } from '../support/stores.js'
import type { Key } from '../../lib/index.js'

/** Keys of every kind are kept apart, and compared as Map does. */
export function keysSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  test('every kind of key is a key of its own', async () => {
    const map = (await stores.open()).map('keys')
    expect(new Set(keys).size).toBe(keys.length)
    keys.forEach((key, index) => map.set(key, { index }))
    keys.forEach((key, index) => {
      expect(map.has(key)).toBe(true)
      expectSame(map.get(key), { index })
    })
    expectEntries(map, keys.map((key, index) => [key, { index }])) // prettier-ignore
  })

  test('every kind of key can be deleted, patched and incremented', async () => {
    const map = (await stores.open()).map<Key, { n: number; s?: string }>('keys')
    for (const key of keys) map.set(key, { n: 1 })
    keys.forEach((key, index) => {
      expect(map.increment(key, 'n', index)).toBe(1 + index)
      map.patch(key, { s: `${index}` })
    })
    keys.forEach((key, index) => expectSame(map.get(key), { n: 1 + index, s: `${index}` }))
    keys.forEach((key, index) => {
      if (index % 2 === 0) expect(map.delete(key)).toBe(true)
    })
    expectSame([...map.keys()], keys.filter((_, index) => index % 2 === 1)) // prettier-ignore
    keys.forEach((key, index) => expect(map.has(key)).toBe(index % 2 === 1))
  })

  test('-0 is 0, NaN is NaN, and equal bigints are equal', async () => {
    const map = (await stores.open()).map('keys')
    map.set(-0, 'zero')
    expect(map.get(0)).toBe('zero')
    expect(Object.is([...map.keys()][0], 0)).toBe(true)
    map.set(NaN, 'nan')
    expect(map.get(Number('x'))).toBe('nan')
    const other = new Float64Array(new BigUint64Array([0xfff8_0000_0000_0001n]).buffer)[0]!
    expect(map.get(other)).toBe('nan')
    map.set(10n ** 30n, 'big')
    expect(map.get(BigInt(`1${'0'.repeat(30)}`))).toBe('big')
    expect(map.size).toBe(3)
  })

  test('keys that differ in kind only', async () => {
    const map = (await stores.open()).map('keys')
    map.set(1, 'number').set('1', 'string').set(1n, 'bigint')
    expectSame([map.get(1), map.get('1'), map.get(1n)], ['number', 'string', 'bigint'])
    expect(map.delete('1')).toBe(true)
    expectSame([...map], [[1, 'number'], [1n, 'bigint']]) // prettier-ignore
  })

  test('a string is one key, however it was made', async () => {
    const map = (await stores.open()).map('keys')
    const flat = 'Latin-1 and nothing else'
    const wide = `${flat}Ω`.slice(0, -1) // the same text, out of a string of two bytes a character
    map.set(wide, 1)
    expect(map.get(flat)).toBe(1)
    map.set('é', 1).set('e\u0301', 2) // not normalised
    expect(map.size).toBe(3)
  })

  test('a text that is too long for a key is refused, not looked for', async () => {
    const map = (await stores.open()).map('keys')
    const long = 'Ω'.repeat(2 ** 28 + 1)
    for (const use of [() => map.has(long), () => map.get(long), () => map.getOrInsert(long, 1)]) {
      expect(expectError('ERR_FORKSTORE_TOO_LARGE', use).message.length).toBeLessThan(200)
    }
  })

  test('100,000 keys that look alike', async () => {
    const map = (await stores.open()).map<Key, number>('keys')
    for (let index = 0; index < 50_000; index++) map.set(`user:${index}@example.com`, index).set(index, index)
    expect(map.size).toBe(100_000)
    for (let index = 0; index < 50_000; index += 7) {
      if (map.get(`user:${index}@example.com`) !== index || map.get(index) !== index) expect.fail(`${index}`)
    }
    expect(map.has('user:50000@example.com')).toBe(false)
    expect(map.has(50_000)).toBe(false)
  })
}
