import { appendFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Recovered, Store } from '../../lib/index.js'
import { damage, generationOf, generations } from '../support/directory.js'
import { openEngine, type EngineName } from '../support/engines.js'
import { expectEntries, expectRejection } from '../support/expect.js'
import { crashCopy, editLog, logEnd, logFiles } from '../support/log-files.js'
import { newestDamaged } from '../support/newest-damaged.js'
import { Stores } from '../support/stores.js'

const BATCHES = 6

const flipBit = (path: string, name: string, at: number): void =>
  editLog(path, name, (bytes) => {
    bytes[at]! ^= 1
    return bytes
  })

/** A torn tail is cut, and it is said so; damage refuses to open, and can be gone over. */
export function logDamageSuite(engine: EngineName): void {
  const stores = new Stores(engine, { snapshot: false })
  const recoveryOf = async (store: Store): Promise<Recovered | undefined> => {
    let seen: Recovered | undefined
    store.once('recovered', (what) => (seen = what))
    await new Promise((done) => setTimeout(done, 5))
    expect(seen).toBe(store.recovered)
    return seen
  }

  /** What a crash leaves of a store of six batches, each synced; where each ended; the one file of its log. */
  const crashed = async (): Promise<{ path: string; ends: number[]; name: string }> => {
    const path = stores.directory()
    const store = await stores.open(path)
    const name = logFiles(engine, path).at(-1)!
    const ends: number[] = []
    for (let batch = 1; batch <= BATCHES; batch++) {
      // Twice: an end that a batch shares with the next is no place to tell them apart.
      store.map('a').set(`key ${batch}`, { batch, text: 'some text '.repeat(batch) })
      store.map('a').set('last', batch)
      await store.commit()
      // Records of the native engine end at multiples of 8.
      ends.push(engine === 'js' ? logEnd(path, name) : Math.ceil(logEnd(path, name) / 8) * 8)
    }
    const copy = crashCopy(path)
    await store.close()
    // Without what is preallocated: it would be copied each time.
    editLog(copy, name, (bytes) => bytes.subarray(0, ends.at(-1)))
    return { path: copy, ends, name }
  }
  /** How many batches a store holds; whole ones. */
  const batchesIn = (store: Store): number => {
    const last = (store.map('a').get('last') ?? 0) as number
    const expected = Array.from({ length: last }, (_, at) => `key ${at + 1}`)
    expect([...store.map('a').keys()].filter((key) => /^key \d+$/.test(String(key)))).toEqual(expected)
    return last
  }

  /** The store takes writes, and opens again without news, closed or crashed: the paths of both. */
  const expectGoesOn = async (store: Store, path: string, batches: number): Promise<string[]> => {
    store.map('a').set('more', 1)
    await store.commit()
    const copy = crashCopy(path)
    await store.close()
    for (const each of [copy, path]) {
      const again = await stores.open(each)
      expect(await recoveryOf(again)).toBe(undefined)
      expect(again.map('a').get('more')).toBe(1)
      expect(batchesIn(again)).toBe(batches)
    }
    return [copy, path]
  }

  test('garbage behind the last batch is cut, told once, and gone', async () => {
    const { path, ends, name } = await crashed()
    const garbage = Buffer.from('garbage, and a new line\nmore')
    editLog(path, name, (bytes) => Buffer.concat([bytes.subarray(0, ends.at(-1)), garbage]))
    const store = await stores.open(path)
    const recovered = await recoveryOf(store)
    expect(recovered).toMatchObject({ skipped: [], identityRestored: false, entries: BATCHES + 1 })
    expect(recovered!.log!.salvaged).toBe(undefined)
    const [cut] = recovered!.log!.cut
    expect(cut!.file).toBe(name)
    expect(cut).toEqual({ file: name, offset: ends.at(-1), bytes: garbage.length })
    expect(batchesIn(store)).toBe(BATCHES)
    await expectGoesOn(store, path, BATCHES)
  })

  test('where nobody listens, the process is warned', async () => {
    const { path, name } = await crashed()
    appendFileSync(join(path, name), 'garbage!')
    const warned = new Promise<Error>((done) => process.once('warning', done))
    await stores.open(path)
    const { name: kind, message } = await warned
    expect(kind).toBe('ForkstoreWarning')
    expect(message).toContain(name)
    expect(message).toContain('were cut')
  })

  test('cut off at every 7th byte: what is left of the batches that were whole, never half of one', async () => {
    const { path, ends, name } = await crashed()
    const good = readFileSync(join(path, name))
    const start = engine === 'js' ? good.indexOf(10) + 1 : 4096
    for (let at = start; at <= ends.at(-1)!; at += 7) {
      const copy = crashCopy(path)
      // As if what lies behind had never been written.
      editLog(copy, name, (bytes) => bytes.subarray(0, at))
      const whole = ends.filter((end) => end <= at)
      const store = await openEngine(engine, copy, { snapshot: false })
      store.on('recovered', () => undefined)
      expect([at, batchesIn(store)]).toEqual([at, whole.length])
      await store.close()
      rmSync(join(copy, '..'), { recursive: true })
    }
  })

  test('one bit flipped at some 250 places: the state after some batch, or refused with file and offset', async () => {
    const { path, ends, name } = await crashed()
    const good = readFileSync(join(path, name)).subarray(0, ends.at(-1))
    let refused = 0
    let cut = 0
    for (let at = 0; at < good.length; at += 1 + Math.floor(good.length / 250)) {
      const copy = crashCopy(path)
      const bytes = Buffer.from(good)
      bytes[at]! ^= 1 << at % 8
      writeFileSync(join(copy, name), bytes)
      const outcome = await openEngine(engine, copy, { snapshot: false }).catch(
        (error: unknown) => error as Error,
      )
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ code: expect.stringMatching(/_(CORRUPT|VERSION)$/) as string })
        expect(outcome.message).toContain(name)
        refused++
      } else {
        outcome.on('recovered', () => undefined)
        // Only what nothing bears witness to: the last group that was synced.
        if (batchesIn(outcome) !== BATCHES) {
          expect(batchesIn(outcome)).toBe(BATCHES - 1)
          cut++
        }
        await outcome.close()
      }
      rmSync(join(copy, '..'), { recursive: true })
    }
    expect(refused).toBeGreaterThan(cut)
    expect(cut).toBeGreaterThan(0)
  })

  test('a log that was closed has no torn tail: all damage refuses', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const name = logFiles(engine, path).at(-1)!
    store.map('a').set('x', 'some text')
    await store.close()
    const at = readFileSync(join(path, name)).indexOf('some text')
    expect(at).toBeGreaterThan(0)
    flipBit(path, name, at)
    const error = await expectRejection('ERR_FORKSTORE_CORRUPT', () => openEngine(engine, path))
    expect(error.message).toContain(name)
  })

  test('salvage: what comes before the damage, after copying the files aside', async () => {
    const { path, ends, name } = await crashed()
    flipBit(path, name, ends[2]! + 20)
    const damaged = readFileSync(join(path, name))
    const before = readdirSync(path).sort()
    const error = await expectRejection('ERR_FORKSTORE_CORRUPT', () =>
      openEngine(engine, path, { snapshot: false }),
    )
    expect(error.message).toContain(name)
    expect(error.message).toContain(String(ends[2]))
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => openEngine(engine, path, { durability: 'snapshot' }))
    expect(readdirSync(path).sort().filter((each) => !each.startsWith('lock'))).toEqual(before.filter((each) => !each.startsWith('lock'))) // prettier-ignore

    const store = await stores.open(path, { recover: 'salvage' })
    const { salvaged } = (await recoveryOf(store))!.log!
    expect(salvaged!.reason).toContain(name)
    expect(salvaged!.copies[0]).toBe(`${name}.damaged`)
    expect(readFileSync(join(path, `${name}.damaged`)).equals(damaged)).toBe(true)
    expect(batchesIn(store)).toBe(3)
    for (const each of await expectGoesOn(store, path, 3)) {
      expect(existsSync(join(each, `${name}.damaged`))).toBe(true)
    }
  })

  test('salvage with nothing to salvage is an ordinary opening', async () => {
    const { path } = await crashed()
    const store = await stores.open(path, { recover: 'salvage' })
    expect(await recoveryOf(store)).toBe(undefined)
    expect(batchesIn(store)).toBe(BATCHES)
    expect(readdirSync(path).filter((name) => name.includes('.damaged'))).toEqual([])
  })

  test('a file of the log that is missing is damage', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('x', 1)
    await store.snapshot()
    store.map('a').set('y', 2)
    await store.commit()
    const copy = crashCopy(path)
    rmSync(join(copy, logFiles(engine, copy).at(-1)!))
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => openEngine(engine, copy))
    const salvaged = await stores.open(copy, { recover: 'salvage' })
    salvaged.on('recovered', () => undefined)
    expectEntries(salvaged.map('a'), [['x', 1]])
  })

  test('a log is not given up for a damaged snapshot that it goes on from, after a change of the mode', async () => {
    const path = stores.directory()
    const first = await stores.open(path, { durability: 'snapshot' })
    first.map('a').set('x', 1)
    await first.snapshot()
    await first.close()
    const store = await stores.open(path, { durability: 'commit' })
    store.map('a').set('y', 2)
    await store.commit()
    const copy = crashCopy(path)
    damage(copy, generations(engine, copy).at(-1)!)
    for (const durability of ['commit', 'snapshot'] as const) {
      const logs = logFiles(engine, copy)
      await expectRejection('ERR_FORKSTORE_CORRUPT', () => openEngine(engine, copy, { durability }))
      expect(logFiles(engine, copy)).toEqual(logs)
    }
    // Without the snapshot, what is copied of the log would be worth nothing.
    const [snapshot, logs] = [damagedBytes(copy), logFiles(engine, copy)]
    const salvaged = await stores.open(copy, { recover: 'salvage' })
    salvaged.on('recovered', () => undefined)
    expect(salvaged.map('a').has('y')).toBe(false)
    expect(salvaged.recovered!.log!.salvaged!.copies).toEqual(expect.arrayContaining(logs.map((name) => `${name}.damaged`))) // prettier-ignore
    await expectKeptAside(salvaged, copy, snapshot)
    for (const name of logs) expect(existsSync(join(copy, `${name}.damaged`))).toBe(true)
  })

  test('a damaged snapshot that opening passes over is kept aside', async () => {
    const copy = await newestDamaged(engine, stores)
    const snapshot = damagedBytes(copy)
    const again = await stores.open(copy)
    expect((await recoveryOf(again))!.skipped).toHaveLength(1)
    expect(again.recovered!.log).toBe(undefined)
    const left = await stores.open(crashCopy(copy))
    left.on('recovered', () => undefined)
    for (const each of [again, left]) expectEntries(each.map('a'), [['x', 1], ['y', 2], ['z', 3]]) // prettier-ignore
    await expectKeptAside(again, copy, snapshot)
  })

  const damagedBytes = (path: string): { number: number; bytes: Buffer } => {
    const name = generations(engine, path).at(-1)!
    return { number: generationOf(name), bytes: readFileSync(join(path, name)) }
  }
  /** Also when it would be old, if it were whole; and nothing takes its number. */
  const expectKeptAside = async (
    store: Store,
    path: string,
    { number, bytes }: { number: number; bytes: Buffer },
  ): Promise<void> => {
    expect(generations(engine, path).map(generationOf)).not.toContain(number)
    for (let count = 0; count < 4; count++) {
      store.map('a').set('count', count)
      expect((await store.snapshot()).generation).toBeGreaterThan(number)
    }
    const aside = readdirSync(path).filter((name) => /^snapshot-.*\.damaged$/.test(name))
    expect(aside.map(generationOf)).toEqual([number])
    expect(readFileSync(join(path, aside[0]!)).equals(bytes)).toBe(true)
  }
}
