import { cpSync, readdirSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { DurabilityMode } from '../../lib/index.js'
import { generations, identityName } from '../support/directory.js'
import type { EngineName } from '../support/engines.js'
import { Stores } from '../support/stores.js'

/** A backup that is put back is what it was: older perhaps, but nothing in it is damage, and nobody is warned. */
export function testRestored(engine: EngineName): void {
  const stores = new Stores(engine)
  const ways: Record<string, (path: string) => void> = {
    'as it is': () => undefined,
    'with other times': (path) => {
      for (const name of readdirSync(path)) utimesSync(join(path, name), 1, 1)
    },
    'without the lock': (path) => {
      for (const name of ['lock', 'lock.json']) rmSync(join(path, name), { force: true })
    },
    'without the identity': (path) => rmSync(join(path, identityName(engine))),
    'without older snapshots': (path) => {
      for (const name of generations(engine, path).slice(0, -1)) rmSync(join(path, name))
    },
  }
  const cases = (['snapshot', 'everysec'] as DurabilityMode[]).flatMap((durability) =>
    (['running', 'closed'] as const).flatMap((state) =>
      Object.entries(ways).map(([how, change]) => [state, how, durability, change] as const),
    ),
  )

  test.each(cases)(
    'a copy of a %s store, %s, in place of the newer directory (%s)',
    async (state, how, durability, change) => {
      const path = stores.directory()
      const options = { durability }
      let store = await stores.open(path, options)
      for (let index = 0; index < 4; index++) {
        store.map('a').set(index, index)
        await store.snapshot()
      }
      if (durability === 'everysec') {
        store.map('a').set(4, 4)
        await store.commit()
      }
      const { size } = store.map('a')
      if (state === 'closed') await store.close()
      cpSync(path, `${path}-backup`, { recursive: true })
      change(`${path}-backup`)
      if (state === 'closed') store = await stores.open(path, options)
      store.map('a').set('later', 1)
      await store.snapshot()
      await store.close()
      renameSync(path, `${path}-newer`)
      cpSync(`${path}-backup`, path, { recursive: true })
      rmSync(`${path}-backup`, { recursive: true })
      const warnings: Error[] = []
      const onWarning = (warning: Error): unknown => warnings.push(warning)
      process.on('warning', onWarning)
      try {
        const restored = await stores.open(path, options)
        expect(restored.recovered, how).toBe(undefined)
        expect(restored.map('a').size).toBe(size)
        restored.map('a').set('after', 1)
        await restored.snapshot()
        await restored.close()
        expect((await stores.open(path, options)).map('a').size).toBe(size + 1)
        await new Promise((done) => setImmediate(done))
      } finally {
        process.off('warning', onWarning)
      }
      expect(warnings).toEqual([])
    },
  )
}
