import { getEventListeners } from 'node:events'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { EngineName } from '../support/engines.js'
import { expectRejection } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/** `snapshot({ signal })`: the waiting can be given up, the snapshot goes on. */
export function abortSuite(engine: EngineName): void {
  const stores = new Stores(engine, { durability: 'snapshot', snapshot: false })

  test('an aborted signal rejects with its reason, and the snapshot that others wait for goes on', async () => {
    const store = await stores.open(stores.directory())
    store.map('a').set('b', 1)
    const controller = new AbortController()
    const given = store.snapshot({ signal: controller.signal })
    const other = store.snapshot()
    await Promise.resolve()
    const reason = { text: 'enough' }
    controller.abort(reason)
    await expect(given).rejects.toBe(reason)
    expect(await other).toMatchObject({ generation: 2, entries: 1 })
    expect(store.stats().snapshot.last?.generation).toBe(2)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('without a reason it is an AbortError; aborted before, none is begun', async () => {
    const store = await stores.open(stores.directory())
    store.map('a').set('b', 1)
    await expect(store.snapshot({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    await new Promise((done) => setImmediate(() => setImmediate(done)))
    expect(store.stats().snapshot).toMatchObject({ running: false, last: undefined })
  })

  test('a signal that is not aborted changes nothing, and keeps no listener', async () => {
    const store = await stores.open(stores.directory())
    const { signal } = new AbortController()
    expect((await store.snapshot({ signal })).generation).toBe(2)
    expect((await store.snapshot({ signal: undefined })).generation).toBe(3)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    const inMemory = await stores.open()
    await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => inMemory.snapshot({ signal }))
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('a signal of another realm will do; what is none, and other options, are refused', async () => {
    const store = await stores.open(stores.directory())
    const { signal } = new AbortController()
    const options = runInNewContext('({ signal })', { signal }) as { signal: AbortSignal }
    expect((await store.snapshot(options)).generation).toBe(2)
    for (const wrong of [
      { signal: 1 },
      { signal: null },
      { signal: {} },
      { signal: { aborted: false } },
      { signal: 'abort' },
      { timeout: 1 },
      null,
      1,
    ]) {
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => store.snapshot(wrong as object))
    }
    expect(store.stats().snapshot.last?.generation).toBe(2)
  })
}
