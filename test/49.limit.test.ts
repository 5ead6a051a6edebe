// `maxBytes` holds for growth. What has once fitted must open again, even where bringing it back takes more addresses.

import { describe, expect, test } from 'vitest'
import type { Store } from '../lib/index.js'
import { expectRejection } from './support/expect.js'
import { crashCopy } from './support/log-files.js'
import { Stores } from './support/stores.js'

const MIB = 2 ** 20
const ENTRIES = 1500 // some 6 MiB

describe('a store that needs more than maxBytes', () => {
  const stores = new Stores('native', { snapshot: false, durability: 'everysec' })
  const fill = (store: Store): void => {
    const map = store.map('m')
    for (let key = 0; key < ENTRIES; key++) map.set(key, 'x'.repeat(4000))
  }
  const full = expect.objectContaining({ code: 'ERR_FORKSTORE_FULL' }) as Error

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
      const map = store.map<string>('m')
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
