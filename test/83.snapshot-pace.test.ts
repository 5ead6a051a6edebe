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

describe.each(['fork', 'copy'] as const)('pieces of a snapshot (%s)', (strategy) => {
  const stores = new Stores('native')

  test.each([
    ['everysec', 64 * 1024],
    ['snapshot', MIB],
  ] as const)('with durability %s there are some of %d bytes', async (durability, piece) => {
    // So slow that they can be seen: a second for each MiB.
    const snapshot = {
      everyMs: 0,
      afterWrites: 0,
      everyLogBytes: 0,
      onClose: false,
      strategy,
      maxBytesPerSecond: MIB,
    }
    const store = await stores.open(stores.directory(), { durability, snapshot })
    const map = store.map<number, string>('texts')
    for (let i = 0; i < 12; i++) map.set(i, 'x'.repeat(128 * 1024))
    const seen = [0]
    let isDone = false
    const taken = store.snapshot().finally(() => (isDone = true))
    while (!isDone) {
      const { bytesWritten } = store.stats().snapshot
      if (bytesWritten > seen.at(-1)!) seen.push(bytesWritten)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await taken
    const steps = seen.slice(1).map((bytes, i) => bytes - seen[i]!)
    expect(steps).toContain(piece)
    expect(durability === 'everysec' || !steps.includes(64 * 1024)).toBe(true)
  })
})
