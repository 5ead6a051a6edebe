// The native engine shows JavaScript its memory through windows; the first is as long as the store needs, and
// made anew.

import { afterEach, expect, test } from 'vitest'
import { copy, open, type Store } from '../lib/index.js'

const MIB = 2 ** 20
let store: Store<{ list?: { n: number; text: string }[]; one?: { n: number } }>

afterEach(() => store.close())

const external = (): number => process.memoryUsage().external

test('a store without much in it shows as little in the accounts of the process', async () => {
  const before = external()
  store = await open({ engine: 'native' })
  store.map('m').set('a', { b: 1 })
  store.root.one = { n: 1 }
  expect([store.map('m').get('a'), store.root.one.n]).toEqual([{ b: 1 }, 1])
  expect(external() - before).toBeLessThan(4 * MIB)
  await store.close()
  expect(external() - before).toBeLessThan(2 * MIB)
})

test('what was read before the store has grown reads on, and so does all that came since', async () => {
  store = await open({ engine: 'native' })
  const map = store.map<number, { n: number; text: string }>('m')
  const text = (n: number): string => String(n).padStart(100_000 + (n % 50), 'x')
  store.root.list = [{ n: 0, text: text(0) }]
  const list = store.root.list
  const first = list[0]
  map.set(0, { n: 0, text: text(0) })
  const live = map.live(0)!
  const iterator = map.values()
  expect(iterator.next().value).toEqual({ n: 0, text: text(0) })

  // Over 1 MiB and over 32; each is read as soon as it is there, and an older one beside it.
  let mapped = 0
  const steps = new Set<number>()
  for (let n = 1; mapped < 40 * MIB; n++) {
    map.set(n, { n, text: text(n) })
    list.push({ n, text: text(n) })
    const old = (n * 7) % n
    expect([map.get(n)!.text === text(n), map.get(old)!.text === text(old)]).toEqual([true, true])
    expect([list[n]!.text === text(n), list[old]!.text === text(old)]).toEqual([true, true])
    expect([first!.n, live.n]).toEqual([0, 0])
    mapped = store.stats().bytes.mapped
    steps.add(Math.round(external() / (8 * MIB)))
  }
  expect(steps.size).toBeGreaterThan(2) // the windows did grow
  first!.n = -1
  live.text = 'changed'
  expect([list[0]!.n, map.get(0)!.text]).toEqual([-1, 'changed'])
  let n = 0
  for (const { n: each } of iterator) expect(each).toBe(++n)
  expect(n).toBe(map.size - 1)
  expect(copy(list).every((item, index) => item.n === (index || -1) && item.text === text(index))).toBe(true)
})

test('a query whose callback lets the store grow goes on', async () => {
  store = await open({ engine: 'native' })
  const map = store.map<number, { n: number; text: string }>('m')
  for (let n = 0; n < 5; n++) map.set(n, { n, text: `text ${n}` })
  const other = store.map<number, string>('other')
  const rows = map.map((row) => {
    const { n, text } = row
    for (let i = 0; i < 100; i++) other.set(n * 100 + i, 'y'.repeat(100_000))
    return [n, text]
  })
  expect([...rows]).toEqual(Array.from({ length: 5 }, (_, n) => [n, `text ${n}`]))
  expect(store.stats().bytes.mapped).toBeGreaterThan(32 * MIB)
})
