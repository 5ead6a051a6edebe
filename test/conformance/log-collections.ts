import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copy, type Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectSame } from '../support/expect.js'
import { crashCopy } from '../support/log-files.js'
import { Stores } from '../support/stores.js'
import { treeCommand, type Plain, type TreeState } from '../support/tree-model.js'

const RUNS = Number(process.env['FORKSTORE_LOG_RUNS'] ?? 12)

/** That the log has every collection and every transaction: what a crash leaves equals what was committed. */
export function logCollectionsSuite(engine: EngineName): void {
  const stores = new Stores(engine, { snapshot: false, durability: 'commit' })

  test('random programs over the tree, in turns and transactions', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(treeCommand, { maxLength: 20, size: 'max' }), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (turns, withSnapshot) => {
          const path = stores.directory()
          const store = await stores.open(path)
          const data: Plain = {}
          const state: TreeState = {
            root: store.root as Plain,
            data,
            kept: [],
            transaction: (run) => store.transaction(run),
          }
          for (const program of turns) {
            for (const run of program) run(state)
            const snapshot = withSnapshot ? store.snapshot() : undefined
            await store.commit()
            const again = await stores.open(crashCopy(path))
            expectSame(copy(again.root), data)
            await again.close()
            await snapshot
          }
          await stores.cleanUp()
        },
      ),
      { numRuns: RUNS },
    )
  })

  test('what outlives a transaction that is taken back: maps, shapes, numbers of nodes', async () => {
    const path = stores.directory()
    const store = (await stores.open(path)) as Store<{ a?: object; b: Plain }>
    store.root.b = {}
    expect(() =>
      store.transaction(() => {
        store.map('new').set('x', { first: 1, second: { third: 2 } })
        store.root.a = { deep: { deeper: [{ fourth: 4 }] } }
        try {
          store.transaction(() => {
            store.map('inner').set('y', { fifth: 5 })
            throw new Error('inner')
          })
        } catch {
          // taken back
        }
        throw new Error('outer')
      }),
    ).toThrow('outer')
    store.map('new').set('z', { first: 7, second: { third: 8 } })
    store.map('inner').set('w', { fifth: 6 })
    store.root.b!['c'] = { deep: { deeper: [{ fourth: 9 }] } }
    store.transaction(() => {
      const inside = store.root.b!['c'] as { deep: { deeper: { fourth: number }[] } }
      inside.deep.deeper[0]!.fourth++
      store.map('new').delete('z')
    })
    await store.commit()
    const again = await stores.open(crashCopy(path))
    expectSame(copy(again.root), { b: { c: { deep: { deeper: [{ fourth: 10 }] } } } })
    expect([...again.map('new')]).toEqual([])
    expect([...again.map('inner')]).toEqual([['w', { fifth: 6 }]])
    await again.close()
  })

  test('live entries of maps', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const users = store.map<number | string | bigint, { visits: number; tags: string[] }>('users')
    for (const key of ['ada', 7, 9n, NaN]) users.set(key, { visits: 0, tags: [] })
    for (const key of ['ada', 7, 9n, NaN]) {
      const user = users.live(key) as { visits: number; tags: string[] }
      user.visits++
      user.tags.push('a', 'b')
      user.tags.reverse()
      users.increment(key, 'visits')
    }
    users.delete(7)
    await store.commit()
    const again = await stores.open(crashCopy(path))
    const rest = { visits: 2, tags: ['b', 'a'] }
    expect([...again.map('users')]).toEqual([
      ['ada', rest],
      [9n, rest],
      [NaN, rest],
    ])
    await again.close()
  })
}
