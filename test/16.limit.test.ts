// `maxBytes` holds for growth. What has once fitted must open again, even where bringing it back takes more
// addresses.

import { describe, expect, test } from 'vitest'
import { copy, type Key, type Store } from '../lib/index.js'
import { expectRejection } from './support/expect.js'
import { crashCopy } from './support/log-files.js'
import { Stores } from './support/stores.js'

const MIB = 2 ** 20
const ENTRIES = 1500 // some 6 MiB
const full = expect.objectContaining({ code: 'ERR_FORKSTORE_FULL' }) as Error

describe('a store that needs more than maxBytes', () => {
  const stores = new Stores('native', { snapshot: false, durability: 'everysec' })
  const fill = (store: Store): void => {
    const map = store.map('m')
    for (let key = 0; key < ENTRIES; key++) map.set(key, 'x'.repeat(4000))
  }

  test.each(['log', 'snapshot'])(
    'brought back from a %s: reads, deletes, and does not grow',
    async (from) => {
      const source = await stores.open(stores.directory(), { maxBytes: 16 * MIB })
      fill(source)
      if (from === 'snapshot') await source.snapshot()
      else await source.commit()
      const path = crashCopy(source.path!)
      const before = source.stats().bytes
      expect(before.mapped).toBeGreaterThan(4 * MIB)
      await source.close()

      const store = await stores.open(path, { maxBytes: 4 * MIB })
      const map = store.map<Key, string>('m')
      expect(store.stats().bytes.max).toBe(4 * MIB)
      expect([...map.values()]).toEqual(Array<string>(ENTRIES).fill('x'.repeat(4000)))
      expect(() => map.set('new', 'y'.repeat(MIB))).toThrow(full)
      expect(map.has('new')).toBe(false)
      expect(map.delete(0)).toBe(true)
      // It saves and opens as it is.
      await store.snapshot()
      await store.close()
      const again = await stores.open(path, { maxBytes: 4 * MIB })
      expect(again.map('m').size).toBe(ENTRIES - 1)
      expect(() => again.map('m').set('new', 'y'.repeat(MIB))).toThrow(full)
      // Within the limit once more, it is a store like any other.
      for (let key = ENTRIES / 2; key < ENTRIES; key++) again.map('m').delete(key)
      again.map('m').set('new', 'y'.repeat(100_000))
      await again.close()
    },
  )

  test('more than twice as much does not open', async () => {
    const source = await stores.open(stores.directory(), { maxBytes: 64 * MIB })
    for (let part = 0; part < 2; part++) {
      for (let key = 0; key < ENTRIES; key++) source.map('m').set(`${part} ${key}`, 'x'.repeat(4000))
    }
    await source.commit()
    const logged = crashCopy(source.path!)
    await source.snapshot()
    const saved = crashCopy(source.path!)
    await source.close()
    for (const path of [logged, saved]) {
      await expectRejection('ERR_FORKSTORE_FULL', () => stores.open(path, { maxBytes: 4 * MIB }))
      const store = await stores.open(path, { maxBytes: 8 * MIB })
      expect(store.map('m').size).toBe(2 * ENTRIES)
      await store.close()
    }
  })
})

describe('a store that is full', () => {
  const stores = new Stores('native')
  /** A cache with values of 1,000 characters, filled up; how many there are, and what the refusal says. */
  const fill = async (): Promise<{ store: Store; count: number; message: string }> => {
    const store = await stores.open(undefined, { maxBytes: 8 * MIB })
    const map = store.map('m')
    let message = ''
    while (message === '') {
      try {
        map.set(map.size, { text: 'x'.repeat(1000), n: 0 })
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_FORKSTORE_FULL' })
        message = (error as Error).message
      }
    }
    return { store, count: map.size, message }
  }

  test('says how much there is, how much was asked for, and what changes it', async () => {
    const { store, message } = await fill()
    const { max, live } = store.stats().bytes
    expect(message).toContain(`of ${max} bytes (maxBytes) ${live} are in use`)
    expect(message).toMatch(/no room for 1\d\d\d bytes/)
    expect(message).toContain('larger maxBytes')
  })

  test.each(['outside', 'inside'])('deletes one and sets one, %s of a transaction', async (where) => {
    const { store, count } = await fill()
    const map = store.map('m')
    const evict = (n: number): void => {
      map.delete(n)
      map.set(count + n, { text: 'y'.repeat(1000), n })
    }
    for (let n = 0; n < 2000; n++) {
      if (where === 'outside') evict(n)
      else store.transaction(() => evict(n))
    }
    expect(map.size).toBe(count)
    expect(map.get(count + 1999)).toEqual({ text: 'y'.repeat(1000), n: 1999 })
    expect(map.has(1999)).toBe(false)
  })

  test.each([
    ['oldest first', 1000],
    ['oldest first', 100],
    ['at random', 1000],
    ['at random', 100],
  ])('with a tenth fewer than fit all are replaced, %s, of %i bytes, five times', async (order, bytes) => {
    const store = await stores.open(undefined, { maxBytes: 4 * MIB })
    const map = store.map<number, { text: string }>('m')
    const text = 'x'.repeat(bytes)
    const keys: number[] = []
    expect(() => {
      for (;;) {
        map.set(keys.length, { text })
        keys.push(keys.length)
      }
    }).toThrow(full)
    let next = keys.length
    for (const key of keys.splice(Math.floor(keys.length * 0.9))) map.delete(key)
    let seed = 1
    for (let n = 0; n < 5 * keys.length; n++) {
      seed = (seed * 48271) % 2147483647
      const at = (order === 'at random' ? seed : n) % keys.length
      map.delete(keys[at]!)
      map.set((keys[at] = next++), { text })
    }
    expect([...map.keys()].sort((a, b) => a - b)).toEqual(keys.sort((a, b) => a - b))
  })

  test('what a transaction has removed of the tree makes room for what it sets', async () => {
    const store = await stores.open(undefined, { maxBytes: 4 * MIB })
    const rows = Array.from({ length: 2500 }, (_, n) => ({ n, texts: ['x'.repeat(700)] }))
    store.root.rows = rows
    expect(() => (store.root.more = rows)).toThrow(full)
    store.transaction(() => {
      for (let again = 0; again < 3; again++) {
        delete store.root.rows
        store.root.rows = rows
      }
    })
    expect(() =>
      store.transaction(() => {
        delete store.root.rows
        store.root.rows = rows.slice(1)
        throw new Error('back')
      }),
    ).toThrow('back')
    expect(copy(store.root)).toEqual({ rows })
  })

  test('a transaction that has replaced everything is taken back', async () => {
    const { store, count } = await fill()
    const map = store.map('m')
    expect(() =>
      store.transaction(() => {
        for (let n = 0; n < count; n++) {
          map.delete(n)
          map.set(`other ${n}`, { text: 'z'.repeat(900), n })
        }
        expect(map.has(0)).toBe(false)
        throw new Error('back')
      }),
    ).toThrow('back')
    expect(map.size).toBe(count)
    for (let n = 0; n < count; n++) expect(map.get(n)).toEqual({ text: 'x'.repeat(1000), n: 0 })
  })
})
