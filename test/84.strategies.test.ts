// How snapshots are taken: by fork or by copy. (The other suites run over 'copy' with `npm run test:copy`.)
import { describe, expect, test } from 'vitest'
import { Stores } from './support/stores.js'
import { expectRejection } from './support/expect.js'
import type { SnapshotOptions, Store } from '../lib/index.js'

describe('strategies', () => {
  const stores = new Stores('native', { durability: 'snapshot' })
  const by = (
    strategy: NonNullable<SnapshotOptions['strategy']>,
    more: SnapshotOptions = {},
  ): SnapshotOptions => ({
    everyMs: 0,
    afterWrites: 0,
    onClose: false,
    strategy,
    ...more,
  })
  function fill(store: Store, count: number): void {
    const map = store.map<number, { text: string }>('m')
    for (let index = 0; index < count; index++) map.set(index, { text: `${index}`.padEnd(1000, 'x') })
  }
  /** Changes a member of each entry, so that every page of a record changes, until the promise is settled. */
  async function changeUntil(store: Store, promise: Promise<unknown>): Promise<void> {
    const map = store.map<number, { text: string }>('m')
    let isSettled = false
    const settle = (): void => void (isSettled = true)
    promise.then(settle, settle)
    for (let round = 0; !isSettled; round++) {
      for (let index = 0; index < map.size; index++) map.patch(index, { text: `${round}`.padEnd(1000, 'y') })
      await new Promise((done) => setImmediate(done))
    }
  }

  test('what is asked for is done, and the result says so', async () => {
    for (const strategy of ['fork', 'copy'] as const) {
      const store = await stores.open(stores.directory(), { snapshot: by(strategy) })
      fill(store, 10)
      const result = await store.snapshot()
      expect(result).toMatchObject({ strategy, reason: 'asked' })
      expect(result.forkMs > 0).toBe(strategy === 'fork')
      expect(store.stats().snapshot.last).toBe(result)
    }
  })

  test('a small store is forked when nothing is asked for', async () => {
    const store = await stores.open(stores.directory(), { snapshot: by('auto') })
    fill(store, 10)
    const result = await store.snapshot()
    // On a machine that is very busy the next would be a copy; the first is what the size says.
    expect(result).toMatchObject({ strategy: 'fork', reason: 'fork-is-quick' })
  })

  test('more copies than there may be: the snapshot fails, the one before stands, and the next works', async () => {
    const path = stores.directory()
    // Slow enough for the changes to come before the end, however busy the machine is.
    const slowly = { maxCopiedBytes: 2 ** 20, maxBytesPerSecond: 4 * 2 ** 20 }
    const store = await stores.open(path, { snapshot: by('copy', slowly) })
    fill(store, 10_000)
    await store.snapshot()
    const errors: Error[] = []
    store.on('snapshot-error', (error) => errors.push(error))
    const taken = store.snapshot()
    const rejection = expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => taken)
    await changeUntil(store, taken)
    await rejection
    expect(errors.map(String)).toEqual([expect.stringContaining('maxCopiedBytes')])
    expect(store.stats().snapshot.failures).toBe(1)
    const { generation } = await store.snapshot()
    expect(generation).toBe(4)
  })

  test("'auto' goes on with a fork then", async () => {
    const store = await stores.open(stores.directory(), { snapshot: by('auto', { maxCopiedBytes: 2 ** 20 }) })
    const errors: Error[] = []
    store.on('snapshot-error', (error) => errors.push(error))
    fill(store, 100_000)
    const first = store.snapshot()
    // At once, before the huge pages that the writes beside the fork have split are put together again: it is
    // a copy, at first, and more is changed than it may copy.
    const second = first.then(() => store.snapshot())
    await changeUntil(store, second)
    expect(await first).toMatchObject({ strategy: 'fork', reason: 'fork-is-quick' })
    expect(await second).toMatchObject({ strategy: 'fork', reason: 'copies-exceeded' })
    expect(store.stats().snapshot.failures).toBe(0)
    expect(errors).toEqual([])
  })

  test('a transaction is in a snapshot whole or not at all; so is what it took back', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: by('copy') })
    fill(store, 20_000)
    const map = store.map<number, { text: string }>('m')
    const taken = store.snapshot()
    for (let round = 0; store.stats().snapshot.running || round < 5; round++) {
      store.transaction(() => {
        map.clear()
        for (let index = 0; index < 20_000; index++) map.set(index, { text: `new ${index}` })
      })
      expect(() =>
        store.transaction(() => {
          for (let index = 0; index < 500; index++) map.delete(index)
          throw new Error('taken back')
        }),
      ).toThrow('taken back')
      await new Promise((done) => setImmediate(done))
    }
    await taken
    await store.close()
    const saved = (await stores.open(path)).map<number, { text: string }>('m')
    expect(saved.size).toBe(20_000)
    const texts = new Set([...saved.values()].map(({ text }) => text.startsWith('new')))
    expect(texts.size).toBe(1)
  })

  test('memory that copies took is given back', async () => {
    const much = { maxBytesPerSecond: 20 * 2 ** 20, maxCopiedBytes: 2 ** 28 }
    const store = await stores.open(stores.directory(), { snapshot: by('copy', much) })
    fill(store, 120_000)
    // The heap of JavaScript has its size after a few rounds.
    for (let round = 0; round < 3; round++) await changeUntil(store, Promise.resolve())
    for (let round = 0; round < 2; round++) {
      const before = process.memoryUsage().rss
      const taken = store.snapshot()
      await changeUntil(store, taken)
      const { copiedBytes } = await taken
      expect(copiedBytes).toBeGreaterThan(60 * 2 ** 20)
      expect(process.memoryUsage().rss - before).toBeLessThan(copiedBytes / 2)
    }
  })

  test('options that are wrong are refused', async () => {
    for (const snapshot of [
      { strategy: 'clone' },
      { strategy: 1 },
      { strategy: null },
      { maxCopiedBytes: 1 },
      { maxCopiedBytes: '1 GiB' },
      { maxCopiedBytes: 2 ** 20 + 0.5 },
    ]) {
      const path = stores.directory()
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
        stores.open(path, { snapshot: snapshot as SnapshotOptions }),
      )
    }
  })
})
