import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SnapshotOptions, SnapshotResult, Store } from '../../lib/index.js'
import { generationOf, generations } from '../support/directory.js'
import type { EngineName } from '../support/engines.js'
import { expectRejection, expectSame } from '../support/expect.js'
import { heldSnapshot, slowest } from '../support/held-snapshot.js'
import { Stores } from '../support/stores.js'

const delay = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const off: SnapshotOptions = { everyMs: 0, afterWrites: 0, onClose: false }

/** When snapshots are taken, what they hold, and what they tell. */
export function snapshotSuite(engine: EngineName): void {
  const stores = new Stores(engine, { durability: 'snapshot' })
  const watch = (store: Store): { results: SnapshotResult[]; errors: Error[] } => {
    const seen = { results: [] as SnapshotResult[], errors: [] as Error[] }
    store.on('snapshot', (result) => seen.results.push(result))
    store.on('snapshot-error', (error) => seen.errors.push(error))
    return seen
  }

  test('the result tells what was done', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const seen = watch(store)
    for (let index = 0; index < 1000; index++) store.map('a').set(index, { index })
    const result = await store.snapshot()
    expect(Object.keys(result).sort()).toEqual(
      [
        'bytes',
        'copiedBytes',
        'durationMs',
        'entries',
        'forkMs',
        'generation',
        'path',
        'pauseMs',
        'reason',
        'strategy',
      ].sort(),
    )
    expect(result.generation).toBe(2)
    expect(result.entries).toBe(1000)
    expect(result.path).toBe(join(path, generations(engine, path).at(-1)!))
    expect(result.bytes).toBe(statSync(result.path).size)
    expect(result.pauseMs).toBeGreaterThan(0)
    expect(result.forkMs).toBeGreaterThanOrEqual(0)
    expect(result.durationMs).toBeGreaterThanOrEqual(result.pauseMs)
    expect(result.copiedBytes).toBeGreaterThanOrEqual(0)
    expect(seen.results).toEqual([result])
    expect(store.stats().snapshot).toEqual({ running: false, bytesWritten: expect.any(Number) as number, last: result, failures: 0 }) // prettier-ignore
  })

  test('a snapshot holds all that was written up to the end of the turn, and whole turns only', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: off })
    const map = store.map<string, number>('a')
    map.set('before', 1)
    const taken = store.snapshot()
    map.set('same turn', 2)
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((done) => setImmediate(done))
      map.set(`turn ${turn}, first half`, turn).set(`turn ${turn}, second half`, turn)
    }
    const { entries } = await taken
    expect(entries).toBeGreaterThanOrEqual(2)
    expect(entries % 2).toBe(0)
    await store.close()
    const keys = [...(await stores.open(path)).map('a').keys()]
    expect(keys.length).toBe(entries)
    expectSame(keys.slice(0, 2), ['before', 'same turn'])
  })

  test('writes go on while a snapshot is under way', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: { ...off, ...slowest() } })
    const map = store.map('a')
    for (let index = 0; index < 20_000; index++) map.set(index, { index, text: `some text ${index}` })
    const { taken, letGo } = await heldSnapshot(engine, store)
    let isDone = false
    void taken.then(() => (isDone = true))
    for (let round = 0; round < 20 || !isDone; round++) {
      // Half of them before anything is written to the file or synced, and some while it is.
      if (round === 10) {
        expect([isDone, store.stats().snapshot.running]).toEqual([false, true])
        letGo()
      }
      for (let index = 0; index < 1000; index++) map.set(index, round).delete(10_000 + index)
      map.set(`new ${round}`, 'x'.repeat(round % 5000))
      await new Promise((done) => setImmediate(done))
    }
    expect((await taken).entries).toBe(20_000)
    await store.close()
    const read = (await stores.open(path)).map('a')
    expect(read.size).toBe(20_000)
    let index = 0
    for (const [key, value] of read) {
      expectSame([key, value], [index, { index, text: `some text ${index}` }])
      index++
    }
  })

  test('requests made together share one snapshot', async () => {
    const store = await stores.open(stores.directory(), { snapshot: off })
    const seen = watch(store)
    const results = await Promise.all([store.snapshot(), store.snapshot(), store.snapshot()])
    expect(new Set(results).size).toBe(1)
    expect(seen.results.length).toBe(1)
  })

  test('requests made while one runs share the following one', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: off })
    const seen = watch(store)
    const map = store.map('a').set('first', 1)
    const first = store.snapshot()
    while (!store.stats().snapshot.running) await new Promise((done) => setImmediate(done))
    map.set('second', 2)
    const second = store.snapshot()
    const third = store.snapshot()
    const results = await Promise.all([first, second, third])
    // The first may have waited for a helper thread, and then holds the second write too.
    expect(results.map((result) => result.generation)).toEqual([2, 3, 3])
    expect(results[1]!.entries).toBe(2)
    expect(seen.results.length).toBe(2)
  })

  test('generations go up by one; as many are kept as asked for', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: { ...off, keep: 3 } })
    for (let round = 0; round < 5; round++) await store.snapshot()
    expect(generations(engine, path).map(generationOf)).toEqual([4, 5, 6])
    await store.close()
    const again = await stores.open(path, { snapshot: { ...off, keep: 1 } })
    expect((await again.snapshot()).generation).toBe(7)
    expect(generations(engine, path).map(generationOf)).toEqual([7])
  })

  test('every so often, if something was written', async () => {
    const store = await stores.open(stores.directory(), { snapshot: { ...off, everyMs: 30 } })
    const seen = watch(store)
    await delay(150)
    expect(seen.results).toEqual([])
    store.map('a').set('b', 1)
    while (seen.results.length === 0) await delay(10)
    await delay(200)
    expect(seen.results.length).toBe(1)
    store.map('a').set('b', 2)
    while (seen.results.length === 1) await delay(10)
  })

  test('after so many writes', async () => {
    const store = await stores.open(stores.directory(), { snapshot: { ...off, afterWrites: 100 } })
    const seen = watch(store)
    const map = store.map('a')
    await store.snapshot()
    seen.results.length = 0
    for (let index = 0; index < 99; index++) map.set(index, index)
    map.delete('nobody')
    await delay(100)
    expect(seen.results).toEqual([])
    map.set('one more', 1)
    while (seen.results.length === 0) await delay(10)
    await delay(100)
    expect(seen.results.map((result) => result.entries)).toEqual([100])
    for (let index = 0; index < 100; index++) map.set(index, index)
    while (seen.results.length === 1) await delay(10)
  })

  test('what is refused is no write', async () => {
    const store = await stores.open(stores.directory(), { snapshot: { ...off, afterWrites: 1 } })
    const map = store.map<string, unknown>('a').set('b', 1)
    await store.snapshot()
    const seen = watch(store)
    for (let index = 0; index < 10; index++) {
      expect(() => map.set('x', (() => 1) as unknown)).toThrow()
      expect(() => map.patch('b', {})).toThrow()
      expect(() => map.increment('nobody', 'x' as never)).toThrow()
      map.get('b')
      map.delete('nobody')
      store.map('a')
    }
    store.map('empty')
    await store.snapshot()
    seen.results.length = 0
    store.map('empty').clear()
    await delay(100)
    expect(seen.results).toEqual([])
  })

  test('snapshot: false takes none of itself, close included', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: false })
    const seen = watch(store)
    for (let index = 0; index < 1000; index++) store.map('a').set(index, index)
    await delay(50)
    await store.close()
    expect(seen.results).toEqual([])
    expect(generations(engine, path).map(generationOf)).toEqual([1])
    expect((await stores.open(path)).map('a').size).toBe(0)
  })

  test('close takes a last one if something was written', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const seen = watch(store)
    store.map('a').set('b', 1)
    await store.close()
    expect(seen.results.map((result) => result.entries)).toEqual([1])
    const again = await stores.open(path)
    const seenAgain = watch(again)
    expect(again.map('a').get('b')).toBe(1)
    await again.close()
    expect(seenAgain.results).toEqual([])
  })

  test('a map without entries is nothing to save', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: { ...off, onClose: true, afterWrites: 1 } })
    const seen = watch(store)
    store.map('empty')
    await delay(50)
    await store.close()
    expect(seen.results).toEqual([])
    expect(generations(engine, path).map(generationOf)).toEqual([1])
  })

  test('close waits for the running one, and takes another for what was written since', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const seen = watch(store)
    const map = store.map('a').set('b', 1)
    const first = store.snapshot()
    while (!store.stats().snapshot.running) await new Promise((done) => setImmediate(done))
    map.set('c', 2)
    await store.close()
    expect(seen.results.length).toBe(2)
    expect(seen.results[0]).toBe(await first)
    expect(seen.results[1]!.entries).toBe(2)
    expect((await stores.open(path)).map('a').size).toBe(2)
  })

  test('close serves who has asked', async () => {
    const store = await stores.open(stores.directory(), { snapshot: false })
    store.map('a').set('b', 1)
    const asked = store.snapshot()
    await store.close()
    expect((await asked).entries).toBe(1)
  })

  test('close rejects when the one that it waits for fails, also where it takes none of itself', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: off })
    const seen = watch(store)
    store.map('a').set('b', 1)
    rmSync(path, { recursive: true })
    const asked = store.snapshot()
    const closed = store.close()
    const error = await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => asked)
    expect(await closed.catch((reason: unknown) => reason)).toBe(error)
    expect(seen.errors).toEqual([error])
  })

  test('a failure: typed, told, tried again, and nothing is lost', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: { ...off, onClose: true, everyMs: 50 } })
    const seen = watch(store)
    const map = store.map('a').set('b', 1)
    rmSync(path, { recursive: true })
    const error = await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.snapshot())
    expect(error.cause).toBeInstanceOf(Error)
    expect(seen.errors).toEqual([error])
    expect(store.stats().snapshot.failures).toBe(1)
    expect(map.get('b')).toBe(1)
    while (seen.errors.length < 3) await delay(10)
    await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.close())
    expect(seen.results).toEqual([])
  })

  test('where nobody listens, the process is warned once of automatic snapshots that fail', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: { ...off, everyMs: 30 } })
    const warnings: Error[] = []
    const listener = (warning: Error): void => void warnings.push(warning)
    process.on('warning', listener)
    rmSync(path, { recursive: true })
    await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.snapshot())
    await delay(5)
    expect(warnings).toEqual([]) // who asked was told
    store.map('a').set('b', 1)
    while (store.stats().snapshot.failures < 4) await delay(10)
    await delay(5)
    process.off('warning', listener)
    expect(warnings.map((warning) => warning.name)).toEqual(['ForkstoreWarning'])
    expect(warnings[0]!.message.startsWith(`${path}: `)).toBe(true)
  })

  test('the process is also warned when the caller of a snapshot that fails has given up the waiting', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: off })
    const warnings: Error[] = []
    const listener = (warning: Error): void => void warnings.push(warning)
    process.on('warning', listener)
    rmSync(path, { recursive: true })
    const untilAFailure = async (failures: number): Promise<void> => {
      while (store.stats().snapshot.failures < failures) await delay(1)
      await delay(5)
    }
    const one = new AbortController()
    const other = new AbortController()
    const ask = ({ signal }: AbortController): Promise<unknown> =>
      store.snapshot({ signal }).catch((error: unknown) => error)
    // One of two has given up: the other is told.
    const told = [ask(one), ask(other)]
    one.abort('enough')
    expect(await Promise.all(told)).toEqual(['enough', expect.any(Error)])
    await untilAFailure(1)
    expect(warnings).toEqual([])
    // Nobody waits any more.
    const given = ask(other)
    other.abort('enough')
    expect(await given).toBe('enough')
    await untilAFailure(2)
    process.off('warning', listener)
    expect(warnings.map((warning) => warning.name)).toEqual(['ForkstoreWarning'])
    expect(warnings[0]!.message.startsWith(`${path}: `)).toBe(true)
  })

  test('a listener that throws is an uncaught error of the application, and no failure of the store', async () => {
    const store = await stores.open(stores.directory(), { snapshot: off })
    const before = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    const caught: unknown[] = []
    process.once('uncaughtException', (error) => caught.push(error))
    store.once('snapshot', () => {
      throw new SyntaxError('mine')
    })
    const result = await store.snapshot()
    await delay(10)
    for (const listener of before) process.on('uncaughtException', listener)
    expect(caught).toEqual([new SyntaxError('mine')])
    expect((await store.snapshot()).generation).toBe(result.generation + 1)
  })

  test('by itself after as much log as there is data', async () => {
    const path = stores.directory()
    const snapshot = { everyMs: 0, afterWrites: 0, onClose: false }
    const options = { durability: 'everysec', snapshot } as const
    const store = await stores.open(path, options)
    const map = store.map<number, string>('m')
    const text = 'x'.repeat(2 ** 19)
    const write = async (mebibytes: number): Promise<number> => {
      for (let i = 0; i < 2 * mebibytes; i++) map.set(i, text)
      await store.commit()
      // Of one that was asked for a turn ago.
      await new Promise((done) => setImmediate(done))
      while (store.stats().snapshot.running) await new Promise((done) => setTimeout(done, 5))
      return store.stats().snapshot.last?.generation ?? 1
    }
    await write(40)
    const { generation } = await store.snapshot()
    expect(await write(36)).toBe(generation)
    // In memory the data takes up to an eighth more.
    expect(await write(20)).toBe(generation + 1)
    await store.close()
    const again = await stores.open(path, options)
    again.map('m').set('less', text.repeat(2 * 36))
    await again.commit()
    await new Promise((done) => setImmediate(done))
    expect(again.stats().snapshot).toMatchObject({ running: false, last: undefined })
  })
}
