import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { viewCacheSizes } from '../lib/views/view-cache.js'
import { program, runProgram } from './support/engine-programs.js'
import { engines, openEngine } from './support/engines.js'

// `npm run fuzz:engines` runs it for long; a failure says the seed, which FORKSTORE_FUZZ_SEED takes.
const SECONDS = Number(process.env['FORKSTORE_FUZZ_SECONDS'] ?? 0)
const SEED = Number(process.env['FORKSTORE_FUZZ_SEED'] ?? 0)

const usual = { ...viewCacheSizes }
const tiny = { recent: 4, page: 2, mostPagedInATurn: 8 }

describe.runIf(engines.length === 2)('the engines agree on random programs that write in callbacks', () => {
  test.each([
    ['usual', usual],
    ['tiny', tiny],
  ])(
    'cache of views: %s',
    async (_, sizes) => {
      Object.assign(viewCacheSizes, sizes)
      const stores = await Promise.all(engines.map((engine) => openEngine(engine)))
      Object.assign(viewCacheSizes, usual)
      const limits = SECONDS > 0 ? { numRuns: 1e9, interruptAfterTimeLimit: 500 * SECONDS } : { numRuns: 40 }
      fc.assert(
        fc.property(program, (steps) => {
          const [one, other] = stores.map((store) => runProgram(store, steps, sizes === usual))
          expect(one).toEqual(other)
        }),
        { ...limits, ...(SEED === 0 ? {} : { seed: SEED }), markInterruptAsFailure: false },
      )
      await Promise.all(stores.map((store) => store.close()))
    },
    Math.max(120_000, 1500 * SECONDS),
  )
})
