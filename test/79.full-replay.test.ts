/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import { describe, expect, test } from 'vitest'
import { copy, ForkstoreError } from '../lib/index.js'
import type { Store } from '../lib/index.js'
import { expectSame } from './support/expect.js'
import { crashCopy } from './support/log-files.js'
import { Stores } from './support/stores.js'

// A store that was full for a moment, and has room again, comes back from a crash as it was: under whatever
// form a record is kept, its names are the same.

type Records = Record<string, Record<string, unknown>>

describe.runIf(process.platform === 'linux')('a store that was full for a moment, after a crash', () => {
  const options = { maxBytes: 2 ** 22, durability: 'commit', snapshot: false } as const
  const stores = new Stores('native', options)

  function attempt(change: () => void): boolean {
    try {
      change()
      return true
    } catch (error) {
      if (error instanceof ForkstoreError && error.code === 'ERR_FORKSTORE_FULL') return false
      throw error
    }
  }

  let filled = 0
  /** Until not even small values fit. */
  function fill(store: Store): void {
    const filler = store.map('filler')
    for (const bytes of [2 ** 19, 2 ** 18, 2 ** 17, 2 ** 16, 40_000, 15_000, 3000, 400, 150, 60, 8]) {
      while (attempt(() => filler.set(filled, Buffer.alloc(bytes)))) filled++
    }
  }

  async function expectSameAfterCrash(store: Store): Promise<void> {
    await store.commit()
    const again = await stores.open(crashCopy(store.path!))
    expectSame(copy(again.root), copy(store.root))
    for (const { name } of store.maps()) {
      expectSame([...again.map(name)], [...store.map(name)])
    }
    await again.close()
  }

  // The shapes of objects without one of these take blocks of every size that names of this length lead to.
  const lengths = [2, 8, 16, 24, 32, 48, 64, 100, 128]
  const names = (length: number): string[] => ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(length))

  test('records keep their names', async () => {
    const store = await stores.open(stores.directory())
    const root = store.root as unknown as Records
    const live = store.map<string, Record<string, unknown>>('live')
    for (const length of lengths) {
      root[`record ${length}`] = Object.fromEntries(names(length).map((name, at) => [name, at]))
      live.set(`record ${length}`, Object.fromEntries(names(length).map((name, at) => [name, at])))
    }
    root['account'] = { balance: 100, limit: 5, temporary: 0 }
    fill(store)
    let deleted = 0
    for (const length of lengths) {
      const [a, b, c] = names(length) as [string, string, string]
      if (attempt(() => delete root[`record ${length}`]![c])) deleted++
      attempt(() => delete live.live(`record ${length}`)![b])
      attempt(() => (root[`record ${length}`]![`${a}, added`] = 1))
    }
    // Deleting does without a shape when there is no memory for one.
    expect(deleted).toBeGreaterThan(lengths.length / 2)
    store.map('filler').delete(0)
    delete root['account']!['temporary']
    store.map('wallets').set('ada', { balance: 1000, limit: 7 })
    store.map('wallets').set('bob', { limit: 8, balance: 2000, currency: 'lev' })
    await expectSameAfterCrash(store)
    const again = await stores.open(crashCopy(store.path!))
    expect(again.map('wallets').get('ada')).toEqual({ balance: 1000, limit: 7 })
    expect(copy(again.root)['account']).toEqual({ balance: 100, limit: 5 })
  })

  test('in transactions too, those that are taken back among them', async () => {
    const store = await stores.open(stores.directory())
    const root = store.root as unknown as Records
    for (const length of lengths) {
      root[`record ${length}`] = Object.fromEntries(names(length).map((name, at) => [name, at]))
    }
    for (let round = 0; round < 3; round++) {
      fill(store)
      for (const length of lengths) {
        const record = root[`record ${length}`]!
        const name = names(length)[round]!
        attempt(() => {
          store.transaction(() => {
            delete record[name]
            attempt(() => {
              store.transaction(() => {
                record[`round ${round}`] = { nested: { round } }
                if (length % 16 === 0) throw new ForkstoreError('ERR_FORKSTORE_FULL', 'as the test says')
              })
            })
            if (length % 24 === 0) throw new ForkstoreError('ERR_FORKSTORE_FULL', 'as the test says')
          })
        })
      }
      for (let key = 0; key < 4; key++) store.map('filler').delete(key + round)
      store.map('rounds').set(round, { round, [`of ${round}`]: { n: round } })
    }
    await expectSameAfterCrash(store)
  })
})
