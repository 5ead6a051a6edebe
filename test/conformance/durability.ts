import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { DurabilityMode, Key, OpenOptions, OpenProgress, Store } from '../../lib/index.js'
import { open } from '../../lib/index.js'
import { generations } from '../support/directory.js'
import type { EngineName } from '../support/engines.js'
import { expectEntries, expectError, expectRejection } from '../support/expect.js'
import { crashCopy, logFiles } from '../support/log-files.js'
import { newestDamaged } from '../support/newest-damaged.js'
import { keys, storable } from '../support/samples.js'
import { Stores } from '../support/stores.js'

const delay = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
const logModes = ['everysec', 'commit'] as const

/** What each mode promises, and how stores come and go with a log. */
export function durabilitySuite(engine: EngineName): void {
  const stores = new Stores(engine, { snapshot: false })
  /** What a crash at this moment would leave. */
  const openCopy = (path: string, options?: OpenOptions): Promise<Store> =>
    stores.open(crashCopy(path), options)

  test.each(logModes)('%s: what commit() resolved for is on disk', async (durability) => {
    const path = stores.directory()
    const store = await stores.open(path, { durability })
    const map = store.map('a')
    for (let round = 0; round < 12; round++) {
      for (let index = 0; index < 20; index++) map.set(`${round}/${index}`, { round, index })
      await store.commit()
      const copy = await openCopy(path)
      expectEntries(copy.map('a'), map.entries())
      await copy.close()
    }
    await store.commit() // nothing was written since
  })

  test('everysec is the default, and brings everything to disk within seconds, unasked', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    expect(store.stats().log).toMatchObject({ durability: 'everysec', state: 'healthy', behind: false })
    const { syncs } = store.stats().log!
    store.map('a').set('b', 1)
    while (store.stats().log!.syncs === syncs || store.stats().log!.bufferedBytes > 0) await delay(20)
    expectEntries((await openCopy(path)).map('a'), [['b', 1]])
  })

  test('commit brings the writes of each turn to disk, unasked', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { durability: 'commit' })
    // Also sooner than 'everysec' would: not each time on a busy machine, but some time.
    let isAtOnce = false
    for (let round = 1; round <= 5 || !isAtOnce; round++) {
      const { syncs } = store.stats().log!
      store.map('a').set('round', round)
      const started = Date.now()
      while (store.stats().log!.syncs === syncs) await delay(1)
      if (Date.now() - started < 900) isAtOnce = true
      const copy = await openCopy(path)
      expect(copy.map('a').get('round')).toBe(round)
      await copy.close()
    }
  })

  test('snapshot: commit() takes one, if something was written', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { durability: 'snapshot' })
    expect(store.stats().log).toBe(undefined)
    store.map('a').set('b', 1)
    expect(await store.commit()).toBe(undefined)
    expect(store.stats().snapshot.last?.generation).toBe(2)
    await store.commit()
    expect(store.stats().snapshot.last?.generation).toBe(2)
    expectEntries((await openCopy(path)).map('a'), [['b', 1]])
    expect(logFiles(engine, path)).toEqual([])
    store.map('a').set('b', 2)
    rmSync(path, { recursive: true })
    await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.commit())
  })

  test('memory only: nothing to lose', async () => {
    const store = await stores.open()
    store.map('m').set('a', 1)
    await store.commit()
    store.commitSync()
    expect(store.stats().log).toBe(undefined)
    for (const durability of logModes) {
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open({ engine, durability }))
    }
    await (await open({ engine, durability: 'snapshot' })).close()
  })

  test('commit() after close() says so', async () => {
    const store = await stores.open(stores.directory())
    const closed = store.close()
    await expectRejection('ERR_FORKSTORE_CLOSED', () => store.commit())
    await closed
    await expectRejection('ERR_FORKSTORE_CLOSED', () => store.commit())
    expectError('ERR_FORKSTORE_CLOSED', () => store.commitSync())
  })

  test('commitSync() returns when what was written is on disk', async () => {
    for (const durability of logModes) {
      const path = stores.directory()
      const store = await stores.open(path, { durability, snapshot: false })
      const map = store.map('m')
      for (let i = 0; i < 5; i++) {
        map.set(i, i)
        // One that is under way, and whose promise is kept as well.
        const committed = i % 2 === 0 ? store.commit() : undefined
        map.set('also', i)
        store.commitSync()
        expect([...(await openCopy(path)).map('m')].length).toBe(i + 2)
        await committed
      }
      expectError('ERR_FORKSTORE_TRANSACTION', () => store.transaction(() => store.commitSync()))
      store.commitSync()
      await store.close()
    }
  })

  test('commitSync() where there is no log says so', async () => {
    const store = await stores.open(stores.directory(), { durability: 'snapshot' })
    const { message } = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => store.commitSync())
    expect(message).toContain('await commit()')
  })

  test('commitSync() throws where the log has failed', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: false })
    store.map('m').set('a', 1)
    store.commitSync()
    rmSync(path, { recursive: true })
    store.map('m').set('b', 1)
    expectError('ERR_FORKSTORE_LOG_FAILED', () => store.commitSync())
    expectError('ERR_FORKSTORE_LOG_FAILED', () => store.commitSync())
  })

  test('those who wait together share a sync', async () => {
    const store = await stores.open(stores.directory())
    const map = store.map<Key, number>('a')
    const handler = async (index: number): Promise<void> => {
      await turn()
      map.set(index, index)
      await store.commit()
    }
    const { syncs } = store.stats().log!
    await Promise.all(Array.from({ length: 200 }, (_, index) => handler(index)))
    expect(store.stats().log!.syncs - syncs).toBeLessThan(20)
  })

  test('what one turn writes is on disk as a whole or not at all', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = store.map<Key, number>('a')
    let isDone = false
    const writing = (async () => {
      for (let round = 1; !isDone; round++) {
        for (const key of ['x', 'y', 'z']) map.set(key, round)
        if (round % 7 === 0) void store.commit()
        await turn()
      }
    })()
    for (let round = 0; round < 10; round++) {
      await store.commit()
      const copy = await openCopy(path)
      const values = [...copy.map('a').values()]
      expect(values.length).toBe(3)
      expect(new Set(values).size).toBe(1)
      await copy.close()
    }
    isDone = true
    await writing
  })

  test('every kind of key and value comes back from the log, in order', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    for (const sample of storable) store.map('values').set(sample.name, sample.value)
    keys.forEach((key, index) => store.map('keys').set(key, index))
    for (const name of ['__proto__', 'Ω', '\ud800', '\0']) store.map(name).set('k', name)
    store.map('emptied').set('a', 1).clear()
    store.map('some').set('a', 1).set('b', 2).set('c', 3).delete('a')
    store.map('some').set('a', 4)
    const map = store.map<Key, Record<string, unknown>>('fields').set('k', { n: 1 })
    map.patch('k', { when: new Date(5), minus: -0, none: undefined, ['__proto__']: 1 })
    map.increment('k', 'n', 0.5)
    map.set('inf', { n: 1 }).increment('inf', 'n', Infinity)
    await store.commit()
    const copy = await openCopy(path)
    const names = [...store.maps()].map(({ name }) => name)
    expect([...copy.maps()].map(({ name }) => name)).toEqual(names)
    for (const name of names) expectEntries(copy.map(name), store.map(name).entries())
    expect(copy.stats().writes).toBe(store.stats().writes)
  })

  test('random writes, snapshots and crashes, against a Map', async () => {
    let path = stores.directory()
    let seed = 1
    const random = (below: number): number => {
      seed = (seed * 48271) % 2147483647
      return seed % below
    }
    const model = new Map<number, unknown>()
    let store = await stores.open(path)
    for (let round = 0; round < 12; round++) {
      const map = store.map<number, unknown>('a')
      expectEntries(map as never, model)
      for (let turns = 0; turns < 15; turns++) {
        for (let count = random(40); count >= 0; count--) {
          const key = random(200)
          const value = random(3) === 0 ? { n: random(1000), when: new Date(random(1e6)) } : random(1000)
          if (random(4) === 0) expect(map.delete(key)).toBe(model.delete(key))
          else model.set(key, (map.set(key, value), value))
        }
        if (random(60) === 0) {
          map.clear()
          model.clear()
        }
        await turn()
        if (random(12) === 0) await store.snapshot()
      }
      if (round % 3 === 2) {
        await store.close()
      } else {
        await store.commit()
        path = crashCopy(path)
      }
      store = await stores.open(path, { durability: logModes[round % 2]! })
    }
    expectEntries(store.map('a'), model)
  })

  test('close() syncs; commits that wait resolve', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('b', 1)
    const committed = store.commit()
    store.map('a').set('c', 2)
    await store.close()
    await committed
    expect(generations(engine, path).length).toBe(1) // snapshot: false
    const again = await stores.open(path)
    expectEntries(again.map('a'), [['b', 1], ['c', 2]]) // prettier-ignore
    expect(again.recovered).toBe(undefined)
  })

  test('commit() within a transaction: its writes, or when they are taken back what was there before', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = store.map('a')
    const committed = store.transaction(() => {
      map.set('b', 1)
      return { promise: store.commit() }
    })
    await committed.promise
    const copy = await openCopy(path)
    expectEntries(copy.map('a'), [['b', 1]])

    map.set('c', 2)
    await turn()
    await turn()
    const commitAndThrow = (): Promise<void> => {
      let committed: Promise<void> | undefined
      const change = (): void => {
        map.set('d', 3)
        committed = store.commit()
        throw new Error('on purpose')
      }
      expect(() => store.transaction(change)).toThrow('on purpose')
      return committed!
    }
    await commitAndThrow()
    await store.commit()
    const other = await openCopy(path)
    expectEntries(other.map('a'), [['b', 1], ['c', 2]]) // prettier-ignore
    // With nothing else written since.
    await commitAndThrow()
    await store.close()
  })

  test('commits and snapshots at the same time', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = store.map<Key, number>('a')
    for (let round = 0; round < 10; round++) {
      map.set('before', round)
      const snapshot = store.snapshot()
      map.set('with', round)
      const committed = store.commit()
      await turn()
      await turn()
      map.set('behind', round)
      await Promise.all([committed, store.commit(), round % 2 === 0 ? snapshot : undefined])
      const copy = await openCopy(path)
      expectEntries(copy.map('a'), ['before', 'with', 'behind'].map((key) => [key, round])) // prettier-ignore
      await copy.close()
      await snapshot
    }
    // As many files as the two generations need.
    expect(logFiles(engine, path).length).toBeLessThanOrEqual(3)
  })

  test('the mode may change between one opening and the next', async () => {
    let path = stores.directory()
    const modes: DurabilityMode[] = [
      'snapshot',
      'everysec',
      'snapshot',
      'commit',
      'everysec',
      'snapshot',
      'commit',
    ]
    for (const isCrash of [false, true]) {
      for (const [at, durability] of modes.entries()) {
        const store = await stores.open(path, { durability })
        const entries = [...store.map('a')]
        expect(entries.length).toBe((isCrash ? modes.length : 0) + at)
        expect(logFiles(engine, path).length > 0).toBe(durability !== 'snapshot')
        store.map('a').set(entries.length, durability)
        await store.commit()
        if (isCrash) path = crashCopy(path)
        await store.close()
      }
    }
  })

  test('the newest generation is damaged: the one before and its longer log give the same state', async () => {
    const copy = await newestDamaged(engine, stores)
    const again = await stores.open(copy)
    expect(again.recovered?.skipped.map((each) => each.generation)).toEqual([3])
    expectEntries(again.map('a'), [['x', 1], ['y', 2], ['z', 3]]) // prettier-ignore
    await again.snapshot()
    await again.close()
    expectEntries((await stores.open(copy)).map('a'), [['x', 1], ['y', 2], ['z', 3]]) // prettier-ignore
  })

  test('what was replayed counts as written: the next snapshot holds it', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('x', 1)
    await store.commit()
    const copy = crashCopy(path)
    const again = await stores.open(copy, { snapshot: {} })
    await again.close()
    const calls: OpenProgress[] = []
    const third = await stores.open(copy, { durability: 'snapshot', onProgress: (call) => calls.push(call) })
    expectEntries(third.map('a'), [['x', 1]])
    expect(generations(engine, copy).length).toBeGreaterThan(1)
  })

  test('opening tells how far the replay is', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    for (let index = 0; index < 3000; index++) {
      store.map('a').set(index, { text: 'x'.repeat(200) })
      if (index % 100 === 0) await store.commit()
    }
    await store.commit()
    const calls: OpenProgress[] = []
    const copy = await openCopy(path, { onProgress: (call) => calls.push(call) })
    const count = calls.length
    expect(copy.map('a').size).toBe(3000)
    expect(count).toBeGreaterThan(0)
    let doneBytes = 0
    for (const call of calls) {
      expect(call.phase).toBe('replay')
      expect(call.doneBytes).toBeGreaterThanOrEqual(doneBytes)
      expect(call.doneBytes).toBeLessThanOrEqual(call.totalBytes)
      doneBytes = call.doneBytes
    }
    expect(calls.at(-1)!.doneBytes).toBe(calls.at(-1)!.totalBytes)
    expect(doneBytes).toBeGreaterThan(600_000)
    await delay(20)
    expect(calls.length).toBe(count)
  })

  test('a listener of the progress that throws is an uncaught error of the application', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('x', 1)
    await store.commit()
    const before = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    const caught: unknown[] = []
    const listener = (error: unknown): void => void caught.push(error)
    process.on('uncaughtException', listener)
    const copy = await openCopy(path, {
      onProgress: () => {
        throw new SyntaxError('mine')
      },
    })
    await delay(10)
    process.off('uncaughtException', listener)
    for (const each of before) process.on('uncaughtException', each)
    expect(caught[0]).toEqual(new SyntaxError('mine'))
    expect(copy.map('a').size).toBe(1)
  })

  test('what is refused is not logged', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = store.map<Key, unknown>('a').set('n', 1)
    await store.commit()
    const { appendedBytes } = store.stats().log!
    expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => map.set('x', (() => 1) as unknown))
    expectError('ERR_FORKSTORE_NOT_FOUND', () => map.patch('nobody', { a: 1 }))
    expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.increment('n', 'x' as never))
    map.delete('nobody')
    store.map('a').delete(5n)
    for (const value of map.values()) expect(value).toBe(1)
    await store.commit()
    await turn()
    expect(store.stats().log!.appendedBytes).toBe(appendedBytes)
    expectEntries((await openCopy(path)).map('a'), [['n', 1]])
  })

  test('a turn that writes a lot is one batch', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const { batches } = store.stats().log!
    for (let index = 0; index < 300; index++) store.map('a').set(index, 'x'.repeat(100_000))
    await store.commit()
    expect(store.stats().log!.batches).toBe(batches + 1)
    const copy = await openCopy(path)
    expect(copy.map('a').size).toBe(300)
    expect(copy.map('a').get(299)).toBe('x'.repeat(100_000))
  })

  test('the directory is not needed by name', async () => {
    const path = stores.directory()
    const store = await stores.open(join(path, '..', 'data'))
    store.map('a').set('x', 1)
    await store.commit()
    expect(store.path).toBe(path)
  })
}
