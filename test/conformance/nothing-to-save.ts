import { expect, test } from 'vitest'
import { copy, type AnyRoot, type DurabilityMode, type Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { generations } from '../support/directory.js'
import { expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/**
 * What changes nothing that is stored leaves nothing to save: close() takes no snapshot, now or after the
 * next opening.
 */
export function nothingToSaveSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const back = new Error('back')

  const taken = (store: Store, change: () => void): void => {
    expect(() => {
      store.transaction(() => {
        change()
        throw back
      })
    }).toThrow(back)
  }

  const idle: Record<string, (store: Store) => void> = {
    nothing: () => undefined,
    'reading a live view': (store) => {
      expect((store.map('users').live('a') as AnyRoot)['inner'].n).toBe(1)
    },
    'a transaction that is taken back': (store) =>
      taken(store, () => {
        const users = store.map<string, unknown>('users')
        users
          .set('a', { new: { shape: 1 } })
          .set('new', [1])
          .delete('b')
        store.root['tree'] = { list: [{ n: 1 }] }
        store.root['other'] = 5
        users.clear()
      }),
    'one in which a map is dropped': (store) => taken(store, () => store.dropMap('users')),
    'one within another that writes nothing': (store) =>
      store.transaction(() => taken(store, () => (store.root['x'] = 1))),
    'one that is taken back with an inner one that was kept': (store) =>
      taken(store, () => store.transaction(() => (store.root['x'] = 1))),
    'a live view within one': (store) =>
      taken(store, () => expect((store.map('users').live('b') as AnyRoot)['n']).toBe(2)),
    'a promise in one': (store) => {
      expect(() => store.transaction(() => Promise.resolve((store.root['x'] = 1)) as unknown)).toThrow(
        /promise/,
      )
    },
  }

  const fill = (store: Store): void => {
    store
      .map('users')
      .set('a', { inner: { n: 1 } })
      .set('b', { n: 2 })
    store.root['tree'] = { list: [1] }
  }
  const state = (store: Store): unknown => [copy(store.root), [...store.maps()].map(({ name }) => name), [...store.map('users')]] // prettier-ignore

  const modes: DurabilityMode[] = ['everysec', 'commit', 'snapshot']
  for (const durability of modes) {
    test.each(Object.entries(idle))(`${durability}: %s`, async (_, run) => {
      const path = stores.directory()
      const first = await stores.open(path, { durability })
      fill(first)
      const expected = state(first)
      await first.close()
      const images = generations(engine, path)
      // Each opening finds what the one before has left in the log.
      for (let round = 0; round < 3; round++) {
        const store = await stores.open(path, { durability })
        run(store)
        expectSame(state(store), expected)
        await store.commit()
        await store.close()
        expect(generations(engine, path)).toEqual(images)
      }
      const last = await stores.open(path, { durability })
      expectSame(state(last), expected)
      // What is written later, to the very nodes and shapes, is saved and comes back.
      run(last)
      ;(last.map('users').live('a') as AnyRoot)['inner'].n = 7
      last.map('users').set('c', { new: { shape: 2 } })
      const changed = state(last)
      await last.close()
      expect(generations(engine, path)).not.toEqual(images)
      expectSame(state(await stores.open(path, { durability })), changed)
    })
  }

  test('what was written before, and around it, is still to be saved', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.transaction(() => {
      store.root['kept'] = 1
      taken(store, () => (store.root['kept'] = 2))
    })
    await store.close()
    const again = await stores.open(path)
    const images = generations(engine, path)
    again.root['more'] = 1
    taken(again, () => (again.root['more'] = 2))
    again.map('users').live('nobody')
    await again.close()
    expect(generations(engine, path)).not.toEqual(images)
    expectSame(copy((await stores.open(path)).root), { kept: 1, more: 1 }) // prettier-ignore
  })

  test('writes that were taken back do not count for the next snapshot', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: { everyMs: 0, afterWrites: 10, onClose: false } })
    let snapshots = 0
    store.on('snapshot', () => snapshots++)
    const begun = async (): Promise<boolean> => {
      for (let turn = 0; turn < 3; turn++) await new Promise((done) => setImmediate(done))
      return snapshots > 0 || store.stats().snapshot.running
    }
    for (let round = 0; round < 5; round++) {
      taken(store, () => {
        for (let n = 0; n < 6; n++) store.root['x'] = n
      })
    }
    for (let n = 0; n < 9; n++) store.root['x'] = n
    expect(await begun()).toBe(false)
    store.root['x'] = 10
    expect(await begun()).toBe(true)
    // Also where so many were taken back that they asked for one.
    taken(store, () => {
      for (let n = 0; n < 25; n++) store.root['x'] = n
    })
    await store.snapshot()
    snapshots = 0
    for (let n = 0; n < 9; n++) store.root['x'] = n
    expect(await begun()).toBe(false)
    store.root['x'] = 10
    expect(await begun()).toBe(true)
  })
}
