import {
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { engines, openEngine } from './support/engines.js'
import { expectRejection } from './support/expect.js'
import { Stores } from './support/stores.js'

// What is on disk must be found again, whatever becomes of the directory and its files meanwhile.
describe.each(engines)('findable (%s)', (engine) => {
  const stores = new Stores(engine)
  const newest = (path: string): string =>
    readdirSync(path).filter((name) => /^log-\d+\.\w+$/.test(name)).sort().at(-1)! // prettier-ignore

  test('nothing is acknowledged in a directory that was removed', async () => {
    const path = stores.directory()
    const store = await openEngine(engine, path, { snapshot: false })
    store.map('m').set('before', 1)
    await store.commit()
    rmSync(path, { recursive: true })
    mkdirSync(path)
    store.map('m').set('after', 1)
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => store.commit())
    const error = await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.snapshot())
    expect(error.message).toContain('has been removed')
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => store.commit())
    await store.close().catch(() => undefined)
    expect(readdirSync(path)).toEqual([])
  })

  test('a segment that was removed is a failed log, which heals', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { snapshot: false })
    store.map('m').set('before', 1)
    await store.commit()
    unlinkSync(join(path, newest(path)))
    store.map('m').set('after', 1)
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => store.commit())
    while (store.stats().log?.state !== 'healthy') await delay(5)
    store.map('m').set('healed', 1)
    await store.commit()
    const copy = `${path}-copy`
    cpSync(path, copy, { recursive: true })
    const again = await stores.open(copy)
    expect([...again.map('m').keys()]).toEqual(['before', 'after', 'healed'])
  })

  // What the JS engine does instead is in test/94.
  if (engine === 'native')
    test('without its lock file it stays locked', async () => {
      const path = stores.directory()
      const store = await stores.open(path)
      unlinkSync(join(path, 'lock'))
      await expectRejection('ERR_FORKSTORE_LOCKED', () => openEngine(engine, path))
      store.map('m').set('late', 1)
      await store.commit()
      await store.close()
      expect((await stores.open(path)).map('m').get('late')).toBe(1)
    })

  test.each(['snapshot', 'everysec'] as const)(
    'it stays where it was opened when the link to it is switched: %s',
    async (durability) => {
      const base = stores.directory()
      for (const name of ['one', 'two']) mkdirSync(join(base, name), { recursive: true })
      symlinkSync('one', join(base, 'current'))
      const path = join(base, 'current', 'data')
      const first = await stores.open(path, { durability })
      first.map('m').set('old', 1)
      await first.commit()
      symlinkSync('two', join(base, 'next'))
      renameSync(join(base, 'next'), join(base, 'current'))
      const second = await stores.open(path, { durability })
      second.map('m').set('new', 1)
      first.map('m').set('late', 1)
      await first.snapshot()
      await Promise.all([first.close(), second.close()])
      const held = async (name: string): Promise<unknown[]> => {
        const store = await stores.open(join(base, name, 'data'), { durability })
        return [...store.map('m').keys()]
      }
      expect([await held('one'), await held('two')]).toEqual([['old', 'late'], ['new']])
    },
  )

  // The JS engine only ever appends.
  if (engine === 'native')
    test('no file is ever shortened, so that copying it ends', async () => {
      const path = stores.directory()
      const lengths = new Map<number, number>()
      const look = (): void => {
        for (const name of readdirSync(path).filter((entry) => entry.startsWith('log-'))) {
          const { ino, size } = statSync(join(path, name))
          expect(size).toBeGreaterThanOrEqual(lengths.get(ino) ?? 0)
          lengths.set(ino, size)
        }
      }
      for (let life = 0; life < 3; life++) {
        const store = await openEngine(engine, path, { snapshot: { onClose: false } })
        look()
        store.map('m').set(`life ${life}`, 'x'.repeat(10_000))
        await store.commit()
        look()
        if (life === 1) await store.snapshot()
        look()
        await store.close()
        look()
      }
      expect(lengths.size).toBeGreaterThan(2)
    })
})
