import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openEngine, type EngineName } from '../support/engines.js'
import { Stores } from '../support/stores.js'

/** Copies a directory to one that is not there yet; rejects where it says that it has failed. */
export type Copy = (from: string, to: string) => Promise<unknown>

/** Plain copies of the directory of a store that goes on writing and takes snapshots (docs/durability.md). */
export function testCopies(engine: EngineName, ways: readonly (readonly [name: string, copy: Copy])[]): void {
  const stores = new Stores(engine)

  test.each(ways)(
    'a plain copy of a running store, by %s, has what was acknowledged before it',
    async (_, copy) => {
      const path = stores.directory()
      const store = await stores.open(path, { snapshot: false })
      const numbers = store.map<number, string>('numbers')
      let written = 0
      let acknowledged = 0
      let isCopying = true
      // However quick the disk and long the copying: the store has room for all of it.
      let allowed = 0
      const writing = (async () => {
        while (isCopying) {
          if (written >= allowed) {
            await sleep(1)
            continue
          }
          for (let i = 0; i < 20; i++) numbers.set(written++, 'x'.repeat(200))
          const now = written
          await store.commit()
          acknowledged = now
        }
      })()
      let opened = 0
      let during = 0
      try {
        for (let round = 0; opened < 6 && round < 30; round++) {
          allowed += 5000
          // None, one before the copying, one while it goes on.
          const snapshot = round % 3 === 0 ? undefined : store.snapshot()
          if (round % 3 === 1) await snapshot
          const before = acknowledged
          const to = `${path}-${round}`
          // A command that says that it has failed has made no copy.
          const isMade = await copy(path, to).then(
            () => true,
            () => false,
          )
          during += acknowledged - before
          await snapshot
          if (isMade) {
            opened++
            const other = await openEngine(engine, to, { recover: 'salvage' })
            const has = other.map<string, number>('numbers').size
            expect(has).toBeGreaterThanOrEqual(before)
            expect([...other.map<string, number>('numbers').keys()]).toEqual(
              Array.from({ length: has }, (_unused, i) => i),
            )
            await other.close()
          }
          rmSync(to, { recursive: true, force: true })
        }
      } finally {
        isCopying = false
        await writing
      }
      expect(opened).toBeGreaterThan(1)
      expect(during).toBeGreaterThan(0)
    },
    60_000,
  )
}
