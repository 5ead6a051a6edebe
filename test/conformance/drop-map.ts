import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import type { AnyRoot, ForkstoreMap, Key, Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { crashCopy } from '../support/log-files.js'
import { expectEntries, expectError } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/** store.dropMap and store.maps. */
export function dropMapSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const fill = (store: Store, name = 'old', entries = 10): ForkstoreMap<string, AnyRoot> => {
    const map = store.map<string, AnyRoot>(name)
    for (let i = 0; i < entries; i++) map.set(`k${i}`, { n: i, list: [i] })
    return map
  }
  const failing = (store: Store, change: () => void): void => {
    expect(() =>
      store.transaction(() => {
        change()
        throw new Error('no')
      }),
    ).toThrow('no')
  }
  const gone = (run: () => unknown): void => {
    expectError('ERR_FORKSTORE_DETACHED', run)
  }

  test('there was one, or there was none', async () => {
    const store = await stores.open()
    expect(store.dropMap('old')).toBe(false)
    fill(store)
    fill(store, 'other', 3)
    const { writes } = store.stats()
    expect(store.dropMap('old')).toBe(true)
    expect(store.dropMap('old')).toBe(false)
    expect(store.stats()).toMatchObject({ maps: 1, entries: 3, writes: writes + 1 })
    expect([...store.maps()].map(({ name }) => name)).toEqual(['other'])
  })

  test('all that was had of it says that it was dropped', async () => {
    const store = await stores.open()
    const map = fill(store)
    const view = map.live('k1') as AnyRoot
    const below = view['list'] as unknown[]
    const iterator = map.entries()
    iterator.next()
    store.dropMap('old')
    gone(() => map.size)
    gone(() => map.get('k1'))
    gone(() => map.has('k1'))
    gone(() => map.set('k1', {}))
    gone(() => map.delete('k1'))
    gone(() => map.clear())
    gone(() => map.patch('k1', { n: 2 }))
    gone(() => map.increment('k1', 'n'))
    gone(() => map.live('k1'))
    gone(() => map.keys())
    gone(() => map.values())
    gone(() => map.entries())
    gone(() => map.forEach(() => undefined))
    gone(() => map.count(() => true))
    gone(() => map.getOrInsert('k1', {}))
    gone(() => iterator.next())
    gone(() => view['n'])
    gone(() => below.length)
    expect(map.name).toBe('old')
    expect(inspect(map)).toBe('ForkstoreMap(dropped)')
  })

  test('a new one of the same name is empty, and another', async () => {
    const store = await stores.open()
    const old = fill(store)
    store.dropMap('old')
    const map = store.map('old')
    expect(map === old).toBe(false)
    expect(map.size).toBe(0)
    map.set('k1', 1)
    gone(() => old.get('k1'))
    expect(store.map('old')).toBe(map)
    expect([...store.maps()].map(({ name }) => name)).toEqual(['old'])
  })

  test('within a query, an iteration, or the reading of a value', async () => {
    const store = await stores.open()
    for (const run of [
      (map: ForkstoreMap<string, AnyRoot>) => map.some(() => !store.dropMap('old')),
      (map: ForkstoreMap<string, AnyRoot>) => map.count((row) => store.dropMap('old') && row['n'] === 1),
      (map: ForkstoreMap<string, AnyRoot>) => map.forEach(() => store.dropMap('old')),
      (map: ForkstoreMap<string, AnyRoot>) =>
        map.set('x', {
          get n() {
            return store.dropMap('old')
          },
        }),
      (map: ForkstoreMap<string, AnyRoot>) =>
        map.getOrInsertComputed('x', () => ({ dropped: store.dropMap('old') })),
    ]) {
      const map = fill(store)
      gone(() => run(map))
      expect(store.stats()).toMatchObject({ maps: 0, entries: 0 })
    }
  })

  test('a rollback brings it back, with what was had of it', async () => {
    const store = await stores.open()
    const map = fill(store)
    fill(store, 'other', 1)
    const view = map.live('k1') as AnyRoot
    const iterator = map.keys()
    iterator.next()
    const before = [...map]
    failing(store, () => {
      map.set('k0', { n: -1 }).delete('k2')
      store.dropMap('old')
      gone(() => map.size)
      gone(() => view['n'])
    })
    expect([...map]).toEqual(before)
    expect(store.map('old')).toBe(map)
    expect(view['n']).toBe(1)
    expect(map.live('k1')).toBe(view)
    expect(iterator.next().value).toBe('k1')
    expect(store.stats()).toMatchObject({ maps: 2, entries: 11 })
    expect([...store.maps()].map(({ name }) => name)).toEqual(['old', 'other'])
    map.set('new', { n: 1 })
    expect(map.size).toBe(11)
  })

  test('one that was made in its place goes when it comes back', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = fill(store)
    let second: ForkstoreMap<Key, unknown> | undefined
    let third: ForkstoreMap<Key, unknown> | undefined
    failing(store, () => {
      store.dropMap('old')
      second = store.map('old').set('a', 1)
      store.dropMap('old')
      third = store.map('old').set('b', { c: 1 })
      store.map('new').set('c', 1)
    })
    gone(() => second?.size)
    gone(() => third?.size)
    expect(store.map('old')).toBe(map)
    expect(map.size).toBe(10)
    expect(store.map('new').size).toBe(0)
    expect(store.stats()).toMatchObject({ maps: 2, entries: 10 })
    store.map('new').set('d', 1)
    await store.commit()
    await expectReplayed(store, path)
  })

  test('an iterator that has ended stays so, one that has not says what happened', async () => {
    const store = await stores.open()
    const map = fill(store)
    const [ended, open] = [map.entries(), map.entries()]
    while (ended.next().done !== true);
    open.next()
    store.dropMap('old')
    expect(ended.next()).toEqual({ done: true, value: undefined })
    gone(() => open.next())
    const keys = fill(store, 'other', 1).keys()
    keys.next()
    keys.next()
    await store.close()
    expect([ended.next().done, keys.next().done]).toEqual([true, true])
  })

  test('nested transactions', async () => {
    const store = await stores.open()
    const map = fill(store)
    store.transaction(() => {
      failing(store, () => store.dropMap('old'))
      expect(map.size).toBe(10)
      store.dropMap('old')
      const made = store.map('old')
      failing(store, () => {
        made.set('a', 1)
        store.transaction(() => store.dropMap('old'))
        gone(() => made.size)
      })
      expect(made.size).toBe(0)
      expect(store.map('old')).toBe(made)
    })
    gone(() => map.size)
    expect(store.stats()).toMatchObject({ maps: 1, entries: 0 })
  })

  const expectReplayed = async (store: Store, path: string): Promise<void> => {
    const copy = await stores.open(crashCopy(path))
    expect([...copy.maps()].map(({ name }) => name)).toEqual([...store.maps()].map(({ name }) => name))
    for (const { name } of store.maps()) expectEntries(copy.map(name), store.map(name).entries())
    expect(copy.stats().writes).toBe(store.stats().writes)
    expect(copy.stats().entries).toBe(store.stats().entries)
    await copy.close()
  }

  test('is in the log and in snapshots', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    for (const name of ['a', 'b', 'c']) fill(store, name)
    store.map('b').live('k1')
    store.dropMap('b')
    fill(store, 'd')
    store.dropMap('d')
    fill(store, 'b', 2)
    await store.commit()
    await expectReplayed(store, path)
    await store.snapshot()
    store.dropMap('c')
    store.map('b').live('k1')
    await store.commit()
    await expectReplayed(store, path)
    await store.close()
    const again = await stores.open(path)
    expect([...again.maps()].map(({ name }) => name)).toEqual(['a', 'b'])
    again.map('e').set('k', 1)
    again.dropMap('a')
    await again.commit()
    await expectReplayed(again, path)
  })

  test.each([1, 2, 3])('random programs, against maps of JavaScript (%i)', async (firstSeed) => {
    const path = stores.directory()
    const store = await stores.open(path)
    let model = new Map<string, Map<string, unknown>>()
    let seed = firstSeed
    const below = (n: number): number => {
      seed = (seed * 48271) % 2147483647
      return seed % n
    }
    const copied = (): typeof model => new Map([...model].map(([name, map]) => [name, new Map(map)]))
    const step = (): void => {
      const name = `m${below(5)}`
      const key = `k${below(6)}`
      switch (below(6)) {
        case 0:
          expect(store.dropMap(name)).toBe(model.delete(name))
          break
        case 1:
          store.map(name).clear()
          model.set(name, new Map())
          break
        default: {
          // Mostly of a new shape, which stays when all else is taken back.
          const value = below(3) === 0 ? seed : { [`a${below(200)}`]: seed, [`b${'x'.repeat(below(40))}`]: 1 }
          store.map(name).set(key, value)
          if (!model.has(name)) model.set(name, new Map())
          model.get(name)!.set(key, value)
        }
      }
    }
    const run = (depth: number): void => {
      for (let i = below(8); i >= 0; i--) {
        if (depth === 3 || below(3) > 0) {
          step()
          continue
        }
        const before = copied()
        if (below(2) === 0) {
          store.transaction(() => run(depth + 1))
          continue
        }
        failing(store, () => run(depth + 1))
        // Maps that were made stay, but for those in whose place another one has come back.
        const made = [...store.maps()].map(({ name }) => name).filter((name) => !before.has(name))
        model = before
        for (const name of made) model.set(name, new Map())
      }
    }
    for (let round = 0; round < 60; round++) {
      run(0)
      expect([...store.maps()].map(({ name }) => name).sort()).toEqual([...model.keys()].sort())
      for (const [name, map] of model) expectEntries(store.map(name), map)
      const entries = [...model.values()].reduce((sum, map) => sum + map.size, 0)
      expect(store.stats()).toMatchObject({ maps: model.size, entries })
      if (round % 10 !== 9) continue
      await store.commit()
      await expectReplayed(store, path)
      await store.snapshot()
      await expectReplayed(store, path)
    }
  })

  test('many that come and go take no memory', async () => {
    const store = await stores.open()
    const cycle = (from: number): void => {
      for (let i = from; i < from + 2000; i++) {
        store.map(`m${i}`).set('k', { n: i })
        store.dropMap(`m${i}`)
      }
    }
    cycle(0)
    const { live } = store.stats().bytes
    cycle(2000)
    expect(store.stats()).toMatchObject({ maps: 0, entries: 0 })
    expect(store.stats().bytes.live).toBeLessThanOrEqual(live + 1024)
  })

  test('names are told in the order of making, also of many', async () => {
    const store = await stores.open()
    const names = Array.from({ length: 300 }, (_, i) => `m${(i * 7) % 300}`)
    for (const name of names) store.map(name)
    for (const name of names.splice(20, 100)) store.dropMap(name)
    store.map('m0')
    expect([...store.maps()].map(({ name }) => name)).toEqual(names)
    const some = store.maps()
    some.next()
    await store.close()
    expectError('ERR_FORKSTORE_CLOSED', () => some.next())
    expectError('ERR_FORKSTORE_CLOSED', () => store.maps())
    expectError('ERR_FORKSTORE_CLOSED', () => store.dropMap('m0'))
  })
}
