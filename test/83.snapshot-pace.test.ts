import { describe, expect, test } from 'vitest'
import { Stores } from './support/stores.js'

const MIB = 2 ** 20

describe.each(['fork', 'copy'] as const)('snapshot.maxBytesPerSecond (%s)', (strategy) => {
  const stores = new Stores('native')

  const filled = async (snapshot: object) => {
    const store = await stores.open(stores.directory(), {
      snapshot: { everyMs: 0, afterWrites: 0, everyLogBytes: 0, onClose: false, strategy, ...snapshot },
    })
    const map = store.map<number, string>('texts')
    for (let i = 0; i < 16; i++) map.set(i, 'x'.repeat(128 * 1024))
    return store
  }

  test('a snapshot takes at least as long as the limit says', async () => {
    const store = await filled({ maxBytesPerSecond: 8 * MIB })
    const { bytes, durationMs } = await store.snapshot()
    expect(bytes).toBeGreaterThan(2 * MIB)
    // Exact, also where the machine is slow: the limit allows no more bytes in that time.
    expect(durationMs).toBeGreaterThanOrEqual((bytes / (8 * MIB)) * 1000)
  })

  test('a writer that rests is not silent', async () => {
    // Each piece of 1 MiB is followed by a rest of a second.
    const store = await filled({ maxBytesPerSecond: MIB, watchdogMs: 800 })
    const { bytes, durationMs } = await store.snapshot()
    expect(durationMs).toBeGreaterThanOrEqual((bytes / MIB) * 1000)
  })
})
