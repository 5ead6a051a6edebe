import { expect, test } from 'vitest'
import { query, type Query } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'

interface Row {
  n: number
  city: string
  score: number | null | undefined
  at: Date
  tags: { text: string }[]
}

const COUNT = 500
const CITIES = ['London', 'Paris', 'Oslo']

const makeRow = (n: number): Row => ({
  n,
  city: CITIES[(n * 7) % 3]!,
  score: n % 11 === 0 ? (n % 2 === 0 ? null : undefined) : n % 13 === 0 ? NaN : (n * 37) % 50,
  at: new Date(1000 * ((n * 31) % 100)),
  tags: [{ text: `t${n}` }],
})

/** toSorted, top, groupBy, sum, min, max, keys and entries, against arrays. */
export function queryMethodsSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const plain = Array.from({ length: COUNT }, (_, n) => makeRow(n))

  for (const source of ['object', 'array', 'map'] as const) {
    const names = plain.map(({ n }) => (source === 'array' ? n : `k${n}`))

    const open = async (): Promise<Query<Row>> => {
      const store = await stores.open()
      const map = store.map<string, Row>('rows')
      for (const row of plain) map.set(`k${row.n}`, row)
      store.root['rows'] = Object.fromEntries(plain.map((row) => [`k${row.n}`, row]))
      store.root['list'] = plain
      if (source === 'map') return map.filter(() => true) as never
      return query(store.root[source === 'object' ? 'rows' : 'list'] as Record<string, Row>) as never
    }

    test(`${source}: toSorted`, async () => {
      const rows = await open()
      const compare = (one: Row, other: Row): number =>
        one.city < other.city ? -1 : one.city > other.city ? 1 : 0
      expect(rows.toSorted(compare)).toEqual([...plain].sort(compare))
      const numbers = rows.map(({ score }) => score)
      expectSame(numbers.toSorted(), plain.map(({ score }) => score).sort())
      expectSame(rows.filter(() => false).toSorted(compare), [])
      for (const wrong of [null, 1, 'text', {}]) {
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => rows.toSorted(wrong as never))
      }
    })

    test(`${source}: top`, async () => {
      const rows = await open()
      // Rows without a number are passed over, and equal ones keep their order: as a stable sort does.
      const ranked = plain
        .filter(({ score }) => score !== null && score !== undefined && !Number.isNaN(score))
        .sort((one, other) => other.score! - one.score!)
      for (const count of [0, 1, 2, 7, 100, COUNT, Infinity]) {
        expect(rows.top(count, ({ score }) => score)).toEqual(ranked.slice(0, count))
      }
      expect(rows.top(3, ({ at }) => at).map(({ at }) => at.getTime())).toEqual([99_000, 99_000, 99_000])
      expect(rows.top(2, ({ city }) => city)).toEqual(
        plain.filter(({ city }) => city === 'Paris').slice(0, 2),
      )
      expect(rows.top(2, ({ n }) => BigInt(n))).toEqual([plain[COUNT - 1], plain[COUNT - 2]])
      expect(rows.top(2, (_, name) => String(name).length)).toEqual(
        plain.filter(({ n }) => n >= 100).slice(0, 2),
      )
      expectSame(rows.map(({ n }) => n).top(3), [COUNT - 1, COUNT - 2, COUNT - 3])
      for (const wrong of [-1, 1.5, NaN, '1', undefined]) {
        const error = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
          rows.top(wrong as never, ({ n }) => n),
        )
        expect(error).toBeInstanceOf(typeof wrong === 'number' ? RangeError : TypeError)
      }
    })

    test(`${source}: top reads no more rows than may come out`, async () => {
      const store = await stores.open()
      const map = store.map<string, Row>('rows')
      const count = 2000
      for (let n = 0; n < count; n++) map.set(`k${n}`, makeRow(n))
      store.root['rows'] = Object.fromEntries(map)
      store.root['list'] = [...map.values()]
      const falling = (source === 'map' ? map : query(store.root[source === 'object' ? 'rows' : 'list'] as Row[])) as Query<Row> // prettier-ignore
      let made = 0
      const counted = falling.map((row) => ({ get n() { made++; return row.n } })) // prettier-ignore
      // By falling numbers none replaces another: what is made of the others is not looked at but by the callback.
      expect(counted.top(5, (row) => -row.n).map(({ n }) => n)).toEqual([0, 1, 2, 3, 4])
      expect(made).toBeLessThanOrEqual(count + 10)
    })

    test(`${source}: groupBy`, async () => {
      const rows = await open()
      const groups = rows.groupBy(({ city }) => city)
      expect(groups).toBeInstanceOf(Map)
      expect([...groups.keys()]).toEqual(['London', 'Paris', 'Oslo'].filter((city) => groups.has(city)).sort((a, b) => plain.findIndex((row) => row.city === a) - plain.findIndex((row) => row.city === b))) // prettier-ignore
      for (const [city, group] of groups) expect(group).toEqual(plain.filter((row) => row.city === city))
      const keys = [...rows.take(4).groupBy(({ n }) => [-0, 0, NaN, NaN][n])]
      expect(keys).toEqual([
        [0, [plain[0], plain[1]]],
        [NaN, [plain[2], plain[3]]],
      ])
      expect(rows.groupBy((_, name) => name).size).toBe(COUNT)
      expect(rows.filter(() => false).groupBy(() => 1).size).toBe(0)
    })

    test(`${source}: sum, min and max`, async () => {
      const rows = await open()
      const scores = plain.map(({ score }) => score).filter((score) => typeof score === 'number' && !Number.isNaN(score)) as number[] // prettier-ignore
      expect(rows.sum(({ n }) => n)).toBe((COUNT * (COUNT - 1)) / 2)
      expect(rows.sum(({ score }) => score)).toBe(scores.reduce((sum, score) => sum + score, 0))
      expect(rows.min(({ score }) => score)).toBe(Math.min(...scores))
      expect(rows.max(({ score }) => score)).toBe(Math.max(...scores))
      expectSame([rows.min(({ at }) => at), rows.max(({ at }) => at)], [new Date(0), new Date(99_000)])
      expect([rows.min(({ city }) => city), rows.max(({ city }) => city)]).toEqual(['London', 'Paris'])
      expect([rows.min(({ n }) => BigInt(n)), rows.max(({ n }) => BigInt(n))]).toEqual([
        0n,
        BigInt(COUNT - 1),
      ])
      const numbers = rows.map(({ n }) => n)
      expect([numbers.sum(), numbers.min(), numbers.max()]).toEqual([(COUNT * (COUNT - 1)) / 2, 0, COUNT - 1])
      expect([rows.sum((_, name) => (name === names[3] ? 2 : undefined)), rows.max((_, name) => (name === names[3] ? 2 : null))]).toEqual([2, 2]) // prettier-ignore
      const none = rows.filter(() => false)
      expect([none.sum(() => 1), none.min(() => 1), none.max(() => 1)]).toEqual([0, undefined, undefined])
      expectSame([rows.sum(() => null), rows.max(() => new Date(NaN))], [0, undefined])
      expect(rows.take(2).sum(({ n }) => (n === 0 ? Infinity : 1))).toBe(Infinity)
    })

    test(`${source}: what cannot be compared or added up is refused`, async () => {
      const rows = await open()
      const untyped = rows as unknown as Record<string, (...given: unknown[]) => unknown>
      for (const [method, ...before] of [['sum'], ['min'], ['max'], ['top', 2]] as [string, ...unknown[]][]) {
        for (const wrong of [1, null, 'text', {}]) {
          expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => untyped[method]?.(...before, wrong))
        }
        for (const wrong of [{}, true, Symbol('s'), () => 1, [1]]) {
          const by = (): unknown => wrong
          const { message } = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
            untyped[method]?.(...before, by),
          )
          expect(message).toContain(method)
        }
        const mixed = (row: unknown): unknown => ((row as Row).n % 2 === 0 ? 1 : 'one')
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => untyped[method]?.(...before, mixed))
        // Rows that are no numbers themselves.
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => untyped[method]?.(...before))
      }
      for (const wrong of [() => 'a', () => 1n, () => new Date()]) {
        expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => untyped['sum']?.(wrong))
      }
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => untyped['groupBy']?.())
      const thrown = new Error('mine')
      const fail = (): never => {
        throw thrown
      }
      for (const run of [
        () => rows.top(1, fail),
        () => rows.sum(fail),
        () => rows.groupBy(fail),
        () => rows.toSorted(fail),
      ]) {
        expect(run).toThrow(thrown)
      }
    })

    test(`${source}: keys and entries`, async () => {
      const rows = await open()
      expect([...rows.keys()]).toEqual(names)
      expect(rows.keys().drop(2).take(2).toArray()).toEqual(names.slice(2, 4))
      expect([...rows.filter(({ n }) => n > COUNT - 3).keys()]).toEqual(names.slice(-2))
      expect(rows.map(() => 1).keys().count()).toBe(COUNT) // prettier-ignore
      expect([...rows.entries()]).toEqual(plain.map((row, at) => [names[at], row]))
      expect(new Map(rows.take(2).entries())).toEqual(new Map(plain.slice(0, 2).map((row, at) => [names[at], row]))) // prettier-ignore
      expect(
        rows
          .entries()
          .filter(([name, row]) => name === names[7] && row.n === 7)
          .map(([, row], name) => [row.n, name])
          .toArray(),
      ).toEqual([[7, names[7]]])
      const again = rows.keys()
      expect([again.count(), again.count()]).toEqual([COUNT, COUNT])
    })
  }

  test('maps have them, too; their keys and entries are those of Map', async () => {
    const map = (await stores.open()).map<string, Row>('rows')
    for (const row of plain) map.set(`k${row.n}`, row)
    expect(map.sum(({ n }) => n)).toBe((COUNT * (COUNT - 1)) / 2)
    expect([map.min(({ n }) => n), map.max(({ n }) => n)]).toEqual([0, COUNT - 1])
    expectSame(map.top(1, ({ n }) => n), [plain[COUNT - 1]]) // prettier-ignore
    expectSame(map.toSorted((one, other) => other.n - one.n), [...plain].reverse()) // prettier-ignore
    expect([...map.groupBy(({ city }) => city).keys()].sort()).toEqual([...CITIES].sort())
    expect(map.keys().next()).toEqual({ value: 'k0', done: false })
    expect(map.entries().next().value?.[0]).toBe('k0')
  })

  test('an iterator whose results are no objects is refused, and does not go on for ever', async () => {
    const store = await stores.open()
    const map = store.map<string, number>('numbers').set('a', 1)
    store.root['numbers'] = [1]
    for (const rows of [map.take(1), query(store.root['numbers'] as number[])] as Query<number>[]) {
      for (const wrong of [undefined, null, 0, 1, '', 'text', true, 5n, Symbol('s')]) {
        let closed = 0
        const iterator = { next: () => wrong, return: () => closed++ }
        const iterable = { [Symbol.iterator]: () => iterator } as unknown as Iterable<number>
        const flat = rows.flatMap(() => iterable)
        for (const run of [
          () => flat.toArray(),
          () => flat.take(3).count(),
          () => [...flat],
          () => flat.find(() => true),
        ]) {
          // prettier-ignore
          const { message } = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', run)
          expect(message).toContain('flatMap')
        }
        expect(closed).toBe(0)
      }
      // As in the language: what counts is whether `done` is true for an `if`.
      let step = 0
      const loose = { next: () => ({ value: step, done: step++ === 2 ? 1 : 0 }) }
      const iterable = { [Symbol.iterator]: () => loose } as unknown as Iterable<number>
      expect(rows.flatMap(() => iterable).toArray()).toEqual([0, 1])
    }
  })

  test('reduce of nothing, without an initial value, has a code and is a TypeError', async () => {
    const store = await stores.open()
    store.root['list'] = []
    const none = [store.map<string, number>('m').take(1), query(store.root['list'] as number[])]
    for (const rows of none as Query<number>[]) {
      const run = (): number => rows.reduce((sum: number, value: number) => sum + value)
      expect(expectError('ERR_FORKSTORE_INVALID_ARGUMENT', run)).toBeInstanceOf(TypeError)
      expect(rows.reduce((sum: number, value: number) => sum + value, 0)).toBe(0)
    }
  })
}
