import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Recovered, Store } from '../../lib/index.js'
import { damage, generationOf, generations, identityName } from '../support/directory.js'
import { openEngine, type EngineName } from '../support/engines.js'
import { expectEntries, expectRejection, expectSame } from '../support/expect.js'
import { keys, storable } from '../support/samples.js'
import { Stores } from '../support/stores.js'
import { deepValue, expectDeepValue } from './values.js'

/** What is saved comes back; what is damaged is noticed, and never an empty store in place of data. */
export function reopenSuite(engine: EngineName): void {
  const stores = new Stores(engine, { durability: 'snapshot' })
  const recoveryOf = async (store: Store): Promise<Recovered | undefined> => {
    let seen: Recovered | undefined
    store.once('recovered', (what) => (seen = what))
    await new Promise((done) => setTimeout(done, 5))
    return seen
  }
  /** Two generations: 2 with one entry, 3 with two. */
  const makeTwo = async (): Promise<string> => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('x', 1)
    await store.snapshot()
    store.map('a').set('y', 2)
    await store.close()
    expect(generations(engine, path).map(generationOf)).toEqual([2, 3])
    return path
  }

  test('every kind of key and value comes back, in order', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const expected = storable.map((sample): [unknown, unknown] => [
      sample.name,
      'stored' in sample ? sample.stored : sample.value,
    ])
    for (const sample of storable) store.map('values').set(sample.name, sample.value)
    keys.forEach((key, index) => store.map('keys').set(key, index))
    for (const name of ['__proto__', 'Ω', '\ud800', '\0']) store.map(name).set('k', name)
    store.map('empty')
    await store.close()
    const again = await stores.open(path)
    expectSame(
      [...again.maps()].map(({ name }) => name),
      ['values', 'keys', '__proto__', 'Ω', '\ud800', '\0', 'empty'],
    )
    expectEntries(again.map('values'), expected)
    expectEntries(again.map('keys'), keys.map((key, index) => [key, index])) // prettier-ignore
    for (const name of ['__proto__', 'Ω', '\ud800', '\0']) expect(again.map(name).get('k')).toBe(name)
    expect(await recoveryOf(again)).toBe(undefined)
  })

  test('deep values come back', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('deep', deepValue(100_000)).set('also', deepValue(300))
    await store.close()
    const again = await stores.open(path)
    expectDeepValue(again.map('a').get('deep'), 100_000)
    expectDeepValue(again.map('a').get('also'), 300)
  })

  test('what is changed after loading comes back too, over and over', async () => {
    const path = stores.directory()
    const model = new Map<number, unknown>()
    for (let round = 0; round < 6; round++) {
      const store = await stores.open(path)
      const map = store.map<number, unknown>('a')
      expectEntries(map as never, model)
      for (let index = 0; index < 2000; index++) {
        const key = (index * 7919 + round * 31) % 3000
        if (index % 5 === 0) {
          expect(map.delete(key)).toBe(model.delete(key))
        } else {
          const value =
            index % 3 === 0 ? { round, text: 'x'.repeat(index % 80) } : index % 7 === 0 ? -0 : [index, 'y']
          map.set(key, value)
          model.set(key, value)
        }
      }
      if (round % 2 === 0) await store.snapshot()
      await store.close()
    }
    expectEntries((await stores.open(path)).map('a'), model)
  })

  test('deleted and cleared data stays away', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    for (let index = 0; index < 5000; index++) store.map('a').set(index, { index })
    await store.snapshot()
    store.map('a').clear()
    store.map('a').set('left', 1)
    await store.close()
    const again = await stores.open(path)
    expectEntries(again.map('a'), [['left', 1]])
    expect(again.stats().entries).toBe(1)
  })

  test('patched and incremented entries come back', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = store.map<string, Record<string, unknown>>('a').set('k', { n: 1 })
    map.patch('k', { when: new Date(5), minus: -0, none: undefined })
    map.increment('k', 'n', 0.5)
    map.set('inf', { n: 1 }).increment('inf', 'n', Infinity)
    await store.close()
    expectEntries((await stores.open(path)).map('a'), [
      ['k', { n: 1.5, when: new Date(5), minus: -0, none: undefined }],
      ['inf', { n: Infinity }],
    ])
  })

  test('what JSON cannot say survives changes of the fields beside it', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = store.map<string, Record<string, unknown>>('a')
    map.set('patched', { when: new Date(5), n: 1 }).patch('patched', { n: 2 })
    map.set('counted', { big: 5n, n: 1 }).increment('counted', 'n')
    map.set('to -0', { n: -0 }).increment('to -0', 'n', -0)
    map.set('to NaN', { n: 1 }).increment('to NaN', 'n', NaN)
    map.set('no more', { when: new Date(5) }).set('no more', { when: 'never' })
    await store.close()
    expectEntries((await stores.open(path)).map('a'), [
      ['patched', { when: new Date(5), n: 2 }],
      ['counted', { big: 5n, n: 2 }],
      ['to -0', { n: -0 }],
      ['to NaN', { n: NaN }],
      ['no more', { when: 'never' }],
    ])
  })

  test('a damaged generation does not count as one that is kept', async () => {
    const path = await makeTwo()
    damage(path, generations(engine, path)[1]!)
    const store = await stores.open(path, { snapshot: { keep: 2 } })
    await store.snapshot()
    await store.close()
    const kept = generations(engine, path).map(generationOf)
    expect(kept).toContain(2)
    expect(kept).toContain(4)
  })

  test('the newest is damaged: the one before is loaded, and it is said so', async () => {
    const path = await makeTwo()
    damage(path, generations(engine, path)[1]!)
    const store = await stores.open(path)
    const recovered = await recoveryOf(store)
    expect(recovered).toEqual({
      generation: 2,
      entries: 1,
      skipped: [{ generation: 3, reason: expect.any(String) as string }],
      identityRestored: false,
    })
    expect(recovered!.skipped[0]!.reason).not.toBe('')
    expectEntries(store.map('a'), [['x', 1]])
    store.map('a').set('z', 3)
    expect((await store.snapshot()).generation).toBe(4)
    await store.close()
    const again = await stores.open(path)
    expect(await recoveryOf(again)).toBe(undefined)
    expectEntries(again.map('a'), [['x', 1], ['z', 3]]) // prettier-ignore
  })

  test('truncated anywhere, and every byte in turn: damage is noticed', async () => {
    const path = await makeTwo()
    const [older, newest] = generations(engine, path) as [string, string]
    const good = readFileSync(join(path, newest))
    const goodOlder = readFileSync(join(path, older))
    const restore = (): void => {
      writeFileSync(join(path, newest), good)
      writeFileSync(join(path, older), goodOlder)
    }
    const step = Math.max(1, Math.floor(good.length / 40))
    for (let at = 0; at < good.length; at += step) {
      for (const harm of [() => truncateSync(join(path, newest), at), () => damage(path, newest, at)]) {
        restore()
        harm()
        const store = await openEngine(engine, path, { snapshot: false, durability: 'snapshot' })
        const recovered = await recoveryOf(store)
        await store.close()
        expect(recovered?.generation, `at ${at} of ${good.length}`).toBe(2)
      }
    }
    restore()
    writeFileSync(join(path, newest), Buffer.concat([good, Buffer.from('\0')]))
    const store = await openEngine(engine, path, { snapshot: false, durability: 'snapshot' })
    expect((await recoveryOf(store))?.generation).toBe(2)
    await store.close()
  })

  test('where nobody listens, the process is warned of what was recovered', async () => {
    const path = await makeTwo()
    damage(path, generations(engine, path)[1]!)
    const warned = new Promise<Error>((done) => process.once('warning', done))
    const store = await stores.open(path)
    const warning = await warned
    expect(warning.name).toBe('ForkstoreWarning')
    const { reason, generation } = store.recovered!.skipped[0]!
    expect(warning.message).toBe(
      `${path}: generation ${generation} cannot be used: ${reason}; generation ${store.recovered!.generation} with ${store.recovered!.entries} entries was loaded`,
    )
    await store.close()
    const again = await stores.open(stores.directory())
    expect(again.recovered).toBe(undefined)
  })

  test('all are damaged: an error, not an empty store', async () => {
    const path = await makeTwo()
    for (const name of generations(engine, path)) damage(path, name)
    const before = generations(engine, path)
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => openEngine(engine, path, { durability: 'snapshot' }))
    expect(generations(engine, path)).toEqual(before)
    // The lock was given back.
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => openEngine(engine, path, { durability: 'snapshot' }))
  })

  test('all are gone: an error, not an empty store', async () => {
    const path = await makeTwo()
    for (const name of generations(engine, path)) rmSync(join(path, name))
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => openEngine(engine, path, { durability: 'snapshot' }))
  })

  test('the identity is missing, as after restoring the snapshots alone: written anew, and that is no damage', async () => {
    const path = await makeTwo()
    const identity = join(path, identityName(engine))
    const before = readFileSync(identity)
    rmSync(identity)
    const store = await stores.open(path)
    expect(await recoveryOf(store)).toBe(undefined)
    expectSame(readFileSync(identity), before)
  })

  test.each(['damaged', 'empty'])('the identity is %s: restored, and it is said so', async (how) => {
    const path = await makeTwo()
    const identity = join(path, identityName(engine))
    if (how === 'damaged') damage(path, identityName(engine), 3)
    else truncateSync(identity, 0)
    const store = await stores.open(path)
    expect(await recoveryOf(store)).toEqual({
      generation: 3,
      entries: 2,
      skipped: [],
      identityRestored: true,
    })
    await store.close()
    expect(await recoveryOf(await stores.open(path))).toBe(undefined)
  })

  test('a generation of another store is not taken for one of this', async () => {
    const path = await makeTwo()
    const other = await makeTwo()
    const name = generations(engine, path)[1]!
    copyFileSync(join(other, name), join(path, name))
    const store = await stores.open(path)
    expect((await recoveryOf(store))?.generation).toBe(2)
  })

  test('a generation under another name is not taken', async () => {
    const path = await makeTwo()
    const [older, newest] = generations(engine, path) as [string, string]
    copyFileSync(join(path, older), join(path, newest))
    expect((await recoveryOf(await stores.open(path)))?.generation).toBe(2)
  })

  test('files of a crash are removed', async () => {
    const path = await makeTwo()
    const name = generations(engine, path)[1]!
    const temporary = engine === 'js' ? `${name}.tmp` : name.replace('.image', '.tmp')
    writeFileSync(join(path, temporary), 'half')
    const store = await stores.open(path)
    expect(() => readFileSync(join(path, temporary))).toThrow('ENOENT')
    expect(store.map('a').size).toBe(2)
  })
}
