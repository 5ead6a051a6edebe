/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { query, type Store } from '../lib/index.js'
import { openNative, type NativeEngine } from '../lib/engines/native/engine.js'
import { expectError } from './support/expect.js'
import { Stores } from './support/stores.js'

/**
 * Units with few live blocks are emptied in the background: what is there moves, in idle steps, while views,
 * iterators and queries are under way.
 */

const KEPT_OF = 50
const MAX_BYTES = 32 * 2 ** 20

interface Row {
  n: number
  text: string
}
interface Root {
  table: Record<string, Row>
  list: Row[]
}

const row = (n: number): Row => ({ n, text: `${String(n)} ${'x'.repeat(150)}` })

/** Fills an engine, and deletes all but one of KEPT_OF: the numbers that are left. */
function emptied(engine: NativeEngine, count: number): number[] {
  const map = engine.map('m')
  const root = engine.tree.root.view as unknown as Root
  root.table = {}
  root.list = []
  const { table, list } = root
  for (let i = 0; i < count; i++) {
    map.set(i, row(i))
    table[`k${String(i)}`] = row(i)
    list.push(row(i))
  }
  const kept: number[] = []
  for (let i = 0; i < count; i++) {
    if (i % KEPT_OF === 0) {
      kept.push(i)
      continue
    }
    map.delete(i)
    delete table[`k${String(i)}`]
    delete list[i]
  }
  return kept
}

describe('while blocks move', () => {
  let engine: NativeEngine
  afterEach(() => engine.close())

  test('views, iterators and queries show what is there', async () => {
    engine = await openNative(undefined, { maxBytes: MAX_BYTES })
    const kept = emptied(engine, 20_000)
    const map = engine.map('m')
    const { table, list } = engine.tree.root.view as unknown as Root
    const held = kept.slice(0, 100).map((n) => [table[`k${String(n)}`] as Row, list[n] as Row] as const)
    const before = engine.stats().bytes
    const all = <Row>(rows: { filter(keep: () => boolean): Iterable<Row> }): Iterator<Row> =>
      rows.filter(() => true)[Symbol.iterator]()
    const ways = {
      entries: map.entries(),
      keys: map.keys(),
      rows: all(map),
      members: all(query(table)),
      items: all(query(list)),
    }
    let steps = 0
    for (const n of kept) {
      const isDone = engine.idle()
      if (!isDone) steps++
      expect(ways.entries.next().value).toEqual([n, row(n)])
      expect(ways.keys.next().value).toBe(n)
      expect(ways.rows.next().value).toEqual(row(n))
      const member = ways.members.next().value as Row
      const item = ways.items.next().value as Row
      expect([member.n, item.n]).toEqual([n, n])
      expect(table[`k${String(n)}`]).toBe(member)
      expect(list[n]).toBe(item)
      expect(map.get(n)).toEqual(row(n))
    }
    while (!engine.idle()) steps++
    expect(steps).toBeGreaterThan(10)
    expect(engine.moved).toBeGreaterThan(1000)
    for (const way of Object.values(ways)) expect(way.next().done).toBe(true)
    kept.slice(0, 100).forEach((n, at) => {
      expect([table[`k${String(n)}`], list[n]]).toEqual(held[at])
      expect(table[`k${String(n)}`]).toBe(held[at]?.[0])
      expect(list[n]).toBe(held[at]?.[1])
      expect(held[at]?.[1].text).toBe(row(n).text)
    })
    expect(Object.entries(table).map(([, { n }]) => n)).toEqual(kept)
    expect(Object.keys(list)).toEqual(kept.map(String))
    const { live, mapped } = engine.stats().bytes
    expect(live).toBe(before.live)
    expect(mapped).toBeLessThan(before.mapped / 3)
  })

  test('what a query showed, and was kept, is refused rather than read where it was', async () => {
    engine = await openNative(undefined, { maxBytes: MAX_BYTES })
    emptied(engine, 5000)
    let kept: Row | undefined
    engine.map('m').some((value) => {
      kept = value as Row
      return true
    })
    expect(kept?.n).toBe(0)
    while (engine.moved === 0) engine.idle()
    expectError('ERR_FORKSTORE_DETACHED', () => kept?.n)
  })
})

describe('a store that ran full and was emptied', () => {
  const stores = new Stores('native')
  const options = { maxBytes: 16 * 2 ** 20, snapshot: { onClose: false } }

  /** Full of small entries, of which few stay. */
  function fillAndEmpty(store: Store): void {
    const map = store.map('m')
    let count = 0
    expectError('ERR_FORKSTORE_FULL', () => {
      for (;;) map.set(count++, 'x'.repeat(90))
    })
    for (let i = 0; i < count; i++) if (i % KEPT_OF !== 0) map.delete(i)
  }

  async function emptiedUnits(store: Store): Promise<void> {
    while (store.stats().bytes.mapped > options.maxBytes / 4) await sleep(5)
  }

  test('takes large values again, and its image shrinks', async () => {
    const store = await stores.open(stores.directory(), options)
    fillAndEmpty(store)
    const { bytes: before } = await store.snapshot()
    await emptiedUnits(store)
    const { bytes: after } = await store.snapshot()
    expect(before).toBeGreaterThan(options.maxBytes * 0.9)
    expect(after).toBeLessThan(before / 4)
    for (let i = 0; i < 40; i++) store.map('m').set(`large ${String(i)}`, new Uint8Array(200 * 1024))
  })

  test('does so after a restart', async () => {
    const path = stores.directory()
    const store = await stores.open(path, options)
    fillAndEmpty(store)
    const { size } = store.map('m')
    await store.snapshot()
    await store.close()
    const again = await stores.open(path, options)
    expect(again.stats().bytes.mapped).toBeGreaterThan(options.maxBytes / 2)
    await emptiedUnits(again)
    expect(again.map('m').size).toBe(size)
    for (let i = 0; i < 40; i++) again.map('m').set(`large ${String(i)}`, new Uint8Array(200 * 1024))
  })
})
