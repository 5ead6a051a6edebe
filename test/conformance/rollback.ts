/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copy, query } from '../../lib/index.js'
import type { AnyRoot, ForkstoreMap, Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectEntries, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/** Loops of which one has no end must fail, not hang. */
const MOST_STEPS = 10_000

class Thrown extends Error {}

/** Iterators and queries that are under way while changes are taken back. */
export function rollbackSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const keys = Array.from({ length: 10 }, (_, n) => `k${n}`)
  const entries = keys.map((key, n): [string, unknown] => [key, { n }])

  const takeBack = (store: Store, run: () => unknown): void => {
    try {
      store.transaction(() => {
        run()
        throw new Thrown()
      })
    } catch (error) {
      if (!(error instanceof Thrown)) throw error
    }
  }

  const make = async (): Promise<{ store: Store; map: ForkstoreMap<string, AnyRoot>; root: AnyRoot }> => {
    const store = await stores.open()
    const map = store.map<string, AnyRoot>('map')
    for (const [key, value] of entries) map.set(key, value as AnyRoot)
    return { store, map, root: store.root }
  }

  /** What a callback does for each key, to be taken back. */
  const changes: Record<string, (map: ForkstoreMap<string, AnyRoot>, key: string) => unknown> = {
    'the current one deleted': (map, key) => map.delete(key),
    'the current one deleted and set again': (map, key) => map.delete(key) && map.set(key, { again: 1 }),
    'its neighbours deleted': (map, key) => {
      const at = keys.indexOf(key)
      for (const other of keys.slice(Math.max(0, at - 2), at + 3)) map.delete(other)
    },
    'all deleted, from the last one': (map) => [...keys].reverse().forEach((key) => map.delete(key)),
    'all deleted and set again in another order': (map) => {
      for (const key of keys) map.delete(key)
      for (const key of [...keys].reverse()) map.set(key, { other: 1 })
    },
    'cleared and filled': (map) => {
      map.delete('k3')
      map.clear()
      for (let n = 0; n < 20; n++) map.set(`new ${n}`, { n })
    },
    'others added': (map, key) => map.set(`after ${key}`, { key }),
    'live and deleted': (map, key) => map.live(key) && map.delete(key),
  }

  for (const [what, change] of Object.entries(changes)) {
    test(`map: ${what}, and taken back: each entry is visited once`, async () => {
      const { store, map } = await make()
      const ways: Record<string, (visit: (key: string) => void) => void> = {
        keys: (visit) => { for (const key of map.keys()) visit(key) }, // prettier-ignore
        values: (visit) => { for (const { n } of map.values()) visit(`k${n}`) }, // prettier-ignore
        entries: (visit) => { for (const [key] of map) visit(key) }, // prettier-ignore
        forEach: (visit) => map.forEach((_, key) => visit(key)),
        count: (visit) => map.count((_, key) => visit(key)),
        'filter and forEach': (visit) => map.filter((_, key) => (visit(key), true)).forEach(() => undefined),
        flatMap: (visit) => map.flatMap(({ n }, key) => (visit(key), [n, n])).toArray(),
      }
      for (const [way, run] of Object.entries(ways)) {
        const seen: string[] = []
        run((key) => {
          if (seen.push(key) > MOST_STEPS) throw new Error(`${way} has no end`)
          takeBack(store, () => change(map, key))
          expect(map.size).toBe(keys.length)
        })
        expect(seen, way).toEqual(keys)
        expectEntries(map as never, entries)
      }
    })

    test(`map: ${what} within a part of a transaction that is kept`, async () => {
      const { store, map } = await make()
      const seen: string[] = []
      store.transaction(() => {
        for (const key of map.keys()) {
          if (seen.push(key) > MOST_STEPS) throw new Error('no end')
          takeBack(store, () => change(map, key))
          if (key === 'k2') map.delete('k4')
        }
        map.set('last', {})
      })
      expect(seen).toEqual(keys.filter((key) => key !== 'k4'))
      expect([...map.keys()]).toEqual([...seen, 'last'])
    })
  }

  test('map: an iterator that went on within what is taken back sees what comes later', async () => {
    const { store, map } = await make()
    const iterator = map.keys()
    const seen: unknown[] = []
    takeBack(store, () => {
      map.delete('k0')
      map.set('x', {}).set('k0', {})
      for (let step = 0; step < 11; step++) seen.push(iterator.next().value)
    })
    map.set('y', {}).set('z', {})
    expect([...seen, '|', ...iterator]).toEqual([...keys.slice(1), 'x', 'k0', '|', 'y', 'z'])
  })

  const members: Record<string, number> = { few: 10, many: 100 }
  for (const [size, count] of Object.entries(members)) {
    test(`object of ${size} members: queries and loops visit each one once, in order`, async () => {
      const { store, root } = await make()
      const data = Object.fromEntries(Array.from({ length: count }, (_, n) => [`m${n}`, { n }]))
      const expected = { '7': { index: 1 }, ...data }
      root['object'] = expected
      const object = root['object'] as AnyRoot
      const inner = object['m3'] as AnyRoot
      const ways: Record<string, (visit: (name: string) => void) => void> = {
        count: (visit) => query(object).count((_, name) => visit(name)),
        filter: (visit) => query(object).filter((_, name) => (visit(name), true)).toArray(), // prettier-ignore
        keys: (visit) => Object.keys(object).forEach(visit),
        'for in': (visit) => { for (const name in object) visit(name) }, // prettier-ignore
      }
      for (const [way, run] of Object.entries(ways)) {
        const seen: string[] = []
        run((name) => {
          if (seen.push(name) > MOST_STEPS) throw new Error(`${way} has no end`)
          takeBack(store, () => {
            delete object[name]
            delete object['m5']
            object['m5'] = 'again'
            object['new'] = { of: name }
            object['3'] = 'before all others'
            expect(Object.hasOwn(object, name)).toBe(name === 'm5')
            const names = ['3', ...Object.keys(expected).filter((each) => each !== 'm5' && each !== name), 'm5', 'new'] // prettier-ignore
            expectSame(Object.keys(object), names)
            expectSame(Object.keys(copy(object)), names)
            takeBack(store, () => {
              delete object['m5']
              delete object['new']
              delete object['m3']
              object['m3'] = 1
              expectSame(Object.keys(object), [...names.filter((each) => !['m5', 'new', 'm3'].includes(each)), 'm3']) // prettier-ignore
            })
            expectSame(Object.keys(object), names)
          })
        })
        expect(seen, way).toEqual(Object.keys(expected))
        expectSame(copy(object), expected)
        expect(object['m3']).toBe(inner)
        expect(inner['n']).toBe(3)
      }
    })
  }

  test('object: what was deleted, set and taken back in part is kept in its order', async () => {
    const { store, map, root } = await make()
    map.set('k0', { a: 1, b: 2, c: 3, list: [] })
    root['o'] = map.get('k0')
    const objects = [root['o'] as AnyRoot, map.live('k0') as AnyRoot]
    store.transaction(() => {
      for (const object of objects) {
        delete object['a']
        object['d'] = { deep: 1 }
        takeBack(store, () => {
          delete object['b']
          object['a'] = 'lost'
          delete object['d']
        })
        object['a'] = { later: 1 }
        object['c'] = 30
        delete object['b']
      }
      expect(map.increment('k0', 'b', 5)).toBe(5)
      map.patch('k0', { a: 'patched', e: 1 })
      expectSame(map.get('k0'), { c: 30, list: [], d: { deep: 1 }, a: 'patched', b: 5, e: 1 })
      expect(map.find((_, key) => key === 'k0')).toEqual(map.get('k0'))
      expect(map.count((value) => value['b'] === 5 && !('x' in value))).toBe(1)
    })
    expectSame(copy(objects[0]!), { c: 30, list: [], d: { deep: 1 }, a: { later: 1 } })
    expectSame(map.get('k0'), { c: 30, list: [], d: { deep: 1 }, a: 'patched', b: 5, e: 1 })
    expectSame(Object.keys(objects[1]!), ['c', 'list', 'd', 'a', 'b', 'e'])
  })

  test('array: iterators and queries visit each item once', async () => {
    const { store, root } = await make()
    const data = Array.from({ length: 200 }, (_, n) => ({ n }))
    root['list'] = data
    const list = root['list'] as AnyRoot[]
    const cuts: ((at: number) => unknown)[] = [
      (at) => list.splice(at, 3, { n: -1 }),
      () => list.unshift({ n: -1 }),
      () => (list.length = 0),
      () => list.reverse(),
      (at) => delete list[at],
    ]
    const ways: ((visit: (n: number) => void) => void)[] = [
      (visit) => { for (const item of list) visit(item['n'] as number) }, // prettier-ignore
      (visit) => query(list).count((item) => visit(item['n'] as number)),
    ]
    for (const cut of cuts) {
      for (const run of ways) {
        const seen: number[] = []
        run((n) => {
          if (seen.push(n) > MOST_STEPS) throw new Error('no end')
          takeBack(store, () => cut(n))
        })
        expect(seen).toEqual(data.map(({ n }) => n))
        expectSame(copy(list), data)
      }
    }
  })

  test('map: random programs with iterators under way, against entries that are numbered', async () => {
    const store = await stores.open()
    let name = 0
    fc.assert(
      fc.property(program, (commands) => {
        const numbered = new Numbered()
        const map = store.map<number, number>(`run ${name++ % 20}`)
        map.clear()
        const state: State = { store, map, numbered, iterators: [] }
        for (const command of commands) command(state)
        expectEntries(map as never, numbered.entries())
        for (const [one, other] of state.iterators) expectSame([...one], [...other])
      }),
      { numRuns: 300 },
    )
  })
}

/** A map as the native engine has it: entries in the order of numbers that are never used again. */
class Numbered {
  #entries: { key: number; value: number; number: number }[] = []
  #next = 1

  set(key: number, value: number): void {
    const entry = this.#entries.find((each) => each.key === key)
    if (entry === undefined) this.#entries.push({ key, value, number: this.#next++ })
    else entry.value = value
  }

  delete(key: number): void {
    this.#entries = this.#entries.filter((entry) => entry.key !== key)
  }

  clear(): void {
    this.#entries = []
  }

  /** What it gives puts everything back as it is now, but for the numbers that were used. */
  remember(): () => void {
    const entries = this.#entries.map((entry) => ({ ...entry }))
    return () => (this.#entries = entries)
  }

  entries(): [number, number][] {
    return this.#entries.map(({ key, value }) => [key, value])
  }

  *iterate(): Generator<[number, number], undefined> {
    let last = 0
    for (;;) {
      const entry = this.#entries.find(({ number }) => number > last)
      if (entry === undefined) return undefined
      last = entry.number
      yield [entry.key, entry.value]
    }
  }
}

interface State {
  store: Store
  map: ForkstoreMap<number, number>
  numbered: Numbered
  iterators: [Iterator<[number, number]> & Iterable<[number, number]>, Generator<[number, number]>][]
}

type Command = (state: State) => void

const key = fc.nat(12)

const simple: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(key, fc.nat()).map(([key, value]): Command => ({ map, numbered }) => {
    map.set(key, value)
    numbered.set(key, value)
  }) }, // prettier-ignore
  { weight: 4, arbitrary: key.map((key): Command => ({ map, numbered }) => {
    map.delete(key)
    numbered.delete(key)
  }) }, // prettier-ignore
  { weight: 1, arbitrary: fc.constant<Command>(({ map, numbered }) => {
    map.clear()
    numbered.clear()
  }) }, // prettier-ignore
  { weight: 2, arbitrary: fc.constant<Command>(({ map, numbered, iterators }) => {
    if (iterators.length < 6) iterators.push([map.entries(), numbered.iterate()])
  }) }, // prettier-ignore
  { weight: 6, arbitrary: fc.nat(5).map((which): Command => ({ iterators }) => {
    const pair = iterators[which]
    if (pair === undefined) return
    const [step, expected] = [pair[0].next(), pair[1].next()]
    expectSame([step.done, step.value], [expected.done, expected.value])
  }) }, // prettier-ignore
)

const { program } = fc.letrec<{ program: Command[]; command: Command }>((tie) => ({
  program: fc.array(tie('command'), { maxLength: 40, size: 'max' }),
  command: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'transaction' },
    { weight: 6, arbitrary: simple },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.array(tie('command'), { maxLength: 12 }), fc.boolean()).map(
        ([commands, isThrown]): Command =>
          (state) => {
            const restore = state.numbered.remember()
            try {
              state.store.transaction(() => {
                for (const command of commands) command(state)
                if (isThrown) throw new Thrown()
              })
            } catch (error) {
              if (!(error instanceof Thrown)) throw error
              restore()
            }
          },
      ),
    },
  ),
}))
