import fc from 'fast-check'
import { test } from 'vitest'
import { copy } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'
import { checkTree, treeCommand, type Plain, type TreeState } from '../support/tree-model.js'
import { expectShows } from '../support/views.js'

const RUNS = Number(process.env['FORKSTORE_TREE_RUNS'] ?? 200)

/** Random programs over the live tree and over plain data, with views kept across them. */
export function treeModelSuite(engine: EngineName, isForgetful = false): void {
  const stores = new Stores(engine)

  test('random programs', async () => {
    const store = await stores.open(undefined, { maxBytes: 2 ** 32 })
    fc.assert(
      fc.property(fc.array(treeCommand, { maxLength: 60, size: 'max' }), (program) => {
        store.root['run'] = {}
        const state: TreeState = {
          root: store.root['run'] as Plain,
          data: {},
          kept: [],
          transaction: (run) => store.transaction(run),
          isForgetful,
        }
        for (const run of program) {
          run(state)
          checkTree(state)
        }
        expectShows(state.root, state.data)
      }),
      { numRuns: RUNS },
    )
  })

  test('random programs, saved and loaded', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(treeCommand, { maxLength: 25, size: 'max' }), { minLength: 1, maxLength: 4 }),
        async (programs) => {
          const path = stores.directory()
          const data: Plain = {}
          for (const program of programs) {
            const store = await stores.open(path)
            const state: TreeState = {
              root: store.root as Plain,
              data,
              kept: [],
              transaction: (run) => store.transaction(run),
              isForgetful,
            }
            expectSame(copy(state.root), data)
            program.slice(0, 12).forEach((run) => run(state))
            const saved = store.snapshot()
            await new Promise(setImmediate)
            for (const run of program.slice(12)) {
              run(state)
              checkTree(state)
            }
            await saved
            checkTree(state)
            await store.close()
          }
          const store = await stores.open(path)
          expectShows(store.root, data)
          await stores.cleanUp()
        },
      ),
      { numRuns: Math.ceil(RUNS / 20) },
    )
  })
}
