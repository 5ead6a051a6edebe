import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test } from 'vitest'
import { ForkstoreError, type Store } from '../lib/index.js'
import type { NativeStore } from '../lib/engines/native/binding.js'
import { NativeEngine } from '../lib/engines/native/engine.js'
import { loadBinding } from '../lib/engines/native/load.js'
import { takenItemsLaterSuite } from './conformance/taken-items-later.js'
import { takenItemsSuite } from './conformance/taken-items.js'
import { engines } from './support/engines.js'
import { expectError, expectSame } from './support/expect.js'
import { nativeEngine } from './support/native-engine.js'
import { Stores } from './support/stores.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

describe.each(engines)('items taken out by splice (%s)', takenItemsSuite)
describe.each(engines)('items taken out by splice, later (%s)', takenItemsLaterSuite)

type List = unknown[]

const MANY = 20_000
const objects = (count: number): List => Array.from({ length: count }, (_, n) => ({ n, text: `text ${n}` }))

/** What the C++ core holds until it is looked at. */
describe.runIf(engines.includes('native'))('items that the native engine holds', () => {
  const stores = new Stores('native')
  const opened: NativeEngine[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((engine) => engine.close()))
  })

  /** An engine that nothing drives in the background, and how often each function of its store was called. */
  const watched = async (): Promise<{
    engine: NativeEngine
    calls: Record<string, number>
    root: Record<string, List>
  }> => {
    const calls: Record<string, number> = {}
    const store = await loadBinding().open(undefined, { maxBytes: 2 ** 30, hugePages: false })
    const counted = new Proxy(store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        return (...given: unknown[]): unknown => {
          calls[name as string] = (calls[name as string] ?? 0) + 1
          return Reflect.apply(member, target, given)
        }
      },
    }) as NativeStore
    const engine = new NativeEngine(undefined, counted)
    opened.push(engine)
    return { engine, calls, root: engine.tree.root.view as Record<string, List> }
  }
  const finish = (engine: NativeEngine): number => {
    let steps = 1
    while (!engine.idle()) steps++
    return steps
  }
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await sleep(5)
  }

  test('a splice reads none of them, and a look all', async () => {
    const { engine, calls, root } = await watched()
    root['list'] = objects(MANY)
    const taken = root['list'].splice(1)
    expect(taken.length).toBe(MANY - 1)
    expect(calls).toMatchObject({ holdItems: 1 })
    const given = async (): Promise<List> => Promise.resolve(taken)
    expect((await given()) === taken && Array.isArray(taken) && typeof taken.map === 'function').toBe(true)
    expect([calls['readHeld'], calls['packItems']]).toEqual([undefined, undefined])
    expectSame(taken[5], { n: 6, text: 'text 6' })
    expect(calls['readHeld']).toBeLessThan(MANY / 200)
    expect(calls['dropHeld']).toBe(1)
    const { readHeld } = calls
    expectSame(taken, objects(MANY).slice(1))
    finish(engine)
    expect(calls['readHeld']).toBe(readHeld)
    expect(engine.stats().nodes).toBe(3)
  })

  test('few are copied at once', async () => {
    const { calls, root } = await watched()
    root['list'] = objects(16_384)
    const taken = root['list'].splice(0)
    expect(calls['holdItems']).toBeUndefined()
    expect(structuredClone(taken)).toEqual(objects(16_384))
  })

  test('many cannot be cloned but by a copy', async () => {
    const { root } = await watched()
    root['list'] = objects(MANY)
    const taken = root['list'].splice(1)
    expect(() => structuredClone(taken)).toThrow(/could not be cloned/)
    expectSame(structuredClone([...taken]), objects(MANY).slice(1))
    expect(() => structuredClone(taken)).toThrow(/could not be cloned/)
  })

  test('idle steps read them, some at a time, and give the memory back', async () => {
    const { engine, calls, root } = await watched()
    root['list'] = []
    finish(engine)
    const before = engine.stats()
    root['list'].push(...objects(MANY))
    const taken = root['list'].splice(0)
    while (calls['dropHeld'] === undefined) {
      const read = calls['readHeld'] ?? 0
      expect(engine.idle()).toBe(false)
      expect(calls['readHeld']).toBe(read + 1)
      root['list'].length = 0
    }
    expect(calls['readHeld']).toBeGreaterThan(MANY / 512)
    expect(engine.stats().nodes).toBeGreaterThan(before.nodes)
    finish(engine)
    const after = engine.stats()
    expect(after.nodes).toBe(before.nodes)
    expect(after.bytes.live).toBeLessThan(before.bytes.live + 2 ** 16)
    const { readHeld } = calls
    expectSame(taken, objects(MANY))
    expect(calls['readHeld']).toBe(readHeld)
  })

  test('a look goes on where idle steps have got to', async () => {
    const { engine, calls, root } = await watched()
    root['list'] = objects(MANY)
    const taken = root['list'].splice(0)
    for (let step = 0; step < 10; step++) engine.idle()
    expectSame(taken, objects(MANY))
    expect(calls['readHeld']).toBeLessThan(MANY / 200)
  })

  test('those that nobody has any more are not read', async () => {
    const { engine, calls, root } = await watched()
    root['list'] = []
    for (let round = 0; round < 3; round++) {
      root['list'].push(...objects(MANY))
      expect(root['list'].splice(0).length).toBe(MANY)
    }
    expect(engine.stats().nodes).toBeGreaterThan(3 * MANY)
    await until(() => {
      collectGarbage()
      return calls['dropHeld'] === 3
    })
    finish(engine)
    expect(calls['readHeld']).toBeUndefined()
    expect(engine.stats().nodes).toBe(2)
  })

  test('beyond 64 lists at a time they are copied at once', async () => {
    const { calls, root } = await watched()
    const kept: List[] = []
    for (let round = 0; round < 70; round++) {
      root['list'] = []
      root['list'].length = MANY
      root['list'][7] = { round }
      kept.push(root['list'].splice(5))
    }
    expect(calls['holdItems']).toBe(64)
    expect(kept.map((list) => list[2])).toEqual(kept.map((_, round) => ({ round })))
  })

  test('within a transaction they are copied at once, and held again after it', async () => {
    const { engine, calls, root } = await watched()
    root['list'] = objects(3 * MANY)
    engine.begin()
    const within = root['list'].splice(2 * MANY)
    engine.commit()
    expect(calls['holdItems']).toBeUndefined()
    const after = root['list'].splice(MANY)
    expect(calls['holdItems']).toBe(1)
    expectSame([...after, ...within], objects(3 * MANY).slice(MANY))
  })

  test('without windows', async () => {
    const engine = await nativeEngine({ windows: false })
    opened.push(engine)
    const root = engine.tree.root.view as Record<string, List>
    root['list'] = objects(MANY)
    expectSame(root['list'].splice(1), objects(MANY).slice(1))
  })

  test('units are emptied once they have been read', async () => {
    const { engine, root } = await watched()
    root['list'] = []
    root['other'] = []
    for (let n = 0; n < 4 * MANY; n += 50) {
      root['list'].push(...objects(50))
      root['other'].push({ n })
    }
    const full = engine.stats().bytes.mapped
    const taken = root['list'].splice(0)
    finish(engine)
    expect(engine.stats().bytes.mapped).toBeLessThan(full / 2)
    expect(JSON.stringify(root['other'][7])).toBe(JSON.stringify({ n: 350 }))
    expectSame(taken.slice(-3), objects(50).slice(-3))
  })

  describe('where the store is full', () => {
    const isFull = (change: () => void): boolean => {
      try {
        change()
        return false
      } catch (error) {
        if (error instanceof ForkstoreError && error.code === 'ERR_FORKSTORE_FULL') return true
        throw error
      }
    }
    const fill = (store: Store): number => {
      store.root['more'] = []
      let count = 0
      while (!isFull(() => (store.root['more'] as List).push({ text: 'x'.repeat(1000), count }))) count++
      return count
    }
    const options = { maxBytes: 24 * 2 ** 20 }

    test('held items make room, as those that are dropped do', async () => {
      const counts: number[] = []
      for (const isTaken of [true, false]) {
        const store = await stores.open(undefined, options)
        store.root['list'] = objects(3 * MANY)
        const list = store.root['list'] as List
        const kept: List[] = []
        for (const length of [2 * MANY, MANY, 5]) {
          if (isTaken) kept.push(list.splice(length))
          else list.length = length
        }
        if (isTaken) expectSame(kept[1]![3], objects(MANY + 4)[MANY + 3])
        counts.push(fill(store))
        if (!isTaken) continue
        expectSame([...kept[2]!, ...kept[1]!, ...kept[0]!], objects(3 * MANY).slice(5))
      }
      // What lies beside what moves the end by some.
      expect(counts[0]).toBeGreaterThan(0.99 * counts[1]!)
      expect(counts[0]).toBeGreaterThan(15_000)
    })

    test('a map and a name need no more room than else', async () => {
      const store = await stores.open(undefined, options)
      store.root['list'] = objects(3 * MANY)
      fill(store)
      const taken = (store.root['list'] as List).splice(5)
      store.map('new').set('x', 'y'.repeat(100_000))
      store.root['value'] = objects(MANY)
      expectSame(taken, objects(3 * MANY).slice(5))
    })

    test('a transaction that was refused can be tried again', async () => {
      const store = await stores.open(undefined, options)
      store.root['list'] = objects(3 * MANY)
      fill(store)
      const taken = (store.root['list'] as List).splice(5)
      const change = (): void =>
        store.transaction(() => {
          for (let n = 0; n < 3000; n++) store.map<number, string>('big').set(n, 'x'.repeat(1000))
        })
      expectError('ERR_FORKSTORE_FULL', change)
      change()
      expectSame(taken, objects(3 * MANY).slice(5))
    })

    test('spilled ones are read in idle steps, or by a close', async () => {
      for (const isIdle of [true, false]) {
        const store = await stores.open(undefined, options)
        store.root['list'] = objects(3 * MANY)
        const taken = (store.root['list'] as List).splice(5)
        fill(store)
        if (isIdle) await sleep(100)
        await store.close()
        expectSame(taken, objects(3 * MANY).slice(5))
      }
    })

    test('a replay comes to the same', async () => {
      const path = stores.directory()
      const store = await stores.open(path, options)
      store.root['list'] = objects(3 * MANY)
      const taken = (store.root['list'] as List).splice(5)
      const count = fill(store)
      ;(store.root['list'] as List).push({ end: count })
      await store.close()
      const again = await stores.open(path, options)
      expectSame((again.root['more'] as List).length, count)
      expect(JSON.stringify((again.root['list'] as List)[5])).toBe(JSON.stringify({ end: count }))
      expect(taken.length).toBe(3 * MANY - 5)
    })
  })

  test('an item of which no copy can be had fails at the look, each time, and after a close', async () => {
    for (const isLooked of [true, false]) {
      const store = await stores.open()
      store.root['list'] = objects(MANY)
      const list = store.root['list'] as List
      list[100] = []
      ;(list[100] as List).length = 200_000_000
      const taken = list.splice(50)
      const error = 'ERR_FORKSTORE_TOO_LARGE'
      if (isLooked) for (let time = 0; time < 2; time++) expectError(error, () => taken[0])
      expect([taken.length, list.length]).toEqual([MANY - 50, 50])
      await store.close()
      expectError(error, () => taken[0])
    }
  })
})
