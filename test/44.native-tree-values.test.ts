// What is assigned to members of the tree: refused, with getters that use the store, views, deep.

import { afterEach, describe, expect, it } from 'vitest'
import type { NativeEngine } from '../lib/engines/native/engine.js'
import { openNative } from '../lib/engines/native/engine.js'
import type { ForkstoreMap } from '../lib/collections/map.js'
import { copy } from '../lib/collections/view-functions.js'
import { nativeEngine } from './support/native-engine.js'
import { sameValue } from './support/values.js'
import type { Key } from '../lib/index.js'

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- data of any form
type Any = any

const engines: NativeEngine[] = []

async function open(options: Parameters<typeof nativeEngine>[0] = {}): Promise<NativeEngine> {
  const engine = await nativeEngine(options)
  engines.push(engine)
  return engine
}

function rootOf(engine: NativeEngine): Any {
  return engine.tree.root.view
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()))
})

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_FORKSTORE_${name}` })

describe('refusals', () => {
  it('name the way, and change nothing', async () => {
    const root = rootOf(await open())
    root.users = { 'a@b': { list: [1, 2, 3] } }
    root.big = Object.fromEntries([...Array(100).keys()].map((i) => [`k${i}`, [i]]))
    const before = copy(root)
    const bad = (): number => 1
    expect(() => (root.users['a@b'].fn = bad)).toThrow(
      /^root\.users\["a@b"\]\.fn: a function cannot be stored/,
    )
    expect(() => (root.users['a@b'] = { x: [{ y: bad }] })).toThrow(
      /^root\.users\["a@b"\]\.x\[0\]\.y: a function/,
    )
    expect(() => (root.users['a@b'].list[5] = bad)).toThrow(/^root\.users\["a@b"\]\.list\[5\]: a function/)
    expect(() => root.users['a@b'].list.push('fine', { z: bad })).toThrow(
      /^root\.users\["a@b"\]\.list\[4\]\.z: a function/,
    )
    expect(() => (root.big.k7 = [new Map()])).toThrow(/^root\.big\.k7\[0\]: a Map cannot be stored/)
    expect(() => (root.proxy = new Proxy({}, {}))).toThrow(/^root\.proxy: a Proxy cannot be stored/)
    expect(() => (root.proxy = { a: [new Proxy([], {})] })).toThrow(/^root\.proxy\.a\[0\]: a Proxy/)
    const cycle: Any = { a: {} }
    cycle.a.b = cycle
    expect(() => (root.cycle = cycle)).toThrow(/^root\.cycle\.a\.b: a value that contains itself/)
    let deep: unknown = bad
    for (let i = 0; i < 100_000; i++) deep = [deep]
    expect(() => (root.deep = deep)).toThrow(/^root\.deep\[0\]\[0\].*\(99985 more\).*: a function/)
    sameValue(copy(root), before)
  })

  it('FULL in the middle of an assignment leaves everything as it was', async () => {
    const engine = await openNative(undefined, { maxBytes: 2 ** 22 })
    engines.push(engine)
    const root = rootOf(engine)
    const map = engine.map('m') as ForkstoreMap<Key, unknown>
    root.kept = { list: [1, { a: 'text' }], more: { b: [2] } }
    map.set('adopted', { a: { b: 1 } })
    const live = map.live('adopted') as Any
    const kept = root.kept
    const item = kept.list[1]
    const before = copy(root)
    const large = {
      parts: Array.from({ length: 60_000 }, (_, i) => ({ i, text: 'some text '.repeat(4), inner: {} })),
    }
    for (let time = 0; time < 3; time++) {
      expect(() => (root.kept = large)).toThrow(code('FULL'))
      expect(() => (kept.more.b = large)).toThrow(code('FULL'))
      expect(() => kept.list.splice(1, 1, 1, large, 2)).toThrow(code('FULL'))
      expect(() => (live.a = large)).toThrow(code('FULL'))
      expect(() => map.set('adopted', large)).toThrow(code('FULL'))
      expect(root.kept).toBe(kept)
      expect(kept.list[1]).toBe(item)
      sameValue(copy(root), before)
      sameValue(map.get('adopted'), { a: { b: 1 } })
      expect(live.a.b).toBe(1)
    }
    // And there is room for what fits.
    root.kept = { text: 'x'.repeat(100_000) }
    expect(root.kept.text.length).toBe(100_000)
  })
})

describe('values whose getters use the store', () => {
  it('may read and write the tree, under the same names too', async () => {
    const engine = await open()
    const root = rootOf(engine)
    root.users = { ada: { visits: 1, list: [1, 2, 3] } }
    const seen: unknown[] = []
    root.users.new = {
      before: 'a text of some length',
      get a() {
        root.users.ada.visits++
        root.users.ada.list.push({ x: 1 }, 'y')
        root.users.ada.list.sort((a: Any, b: Any) => String(b).length - String(a).length)
        seen.push(root.users.ada.list.shift(), copy(root.users.ada))
        return { nested: root.users.ada }
      },
      get b() {
        root.users.new = { text: 'x'.repeat(100_000) }
        root.users.new.text = 'changed'
        delete root.users.ada.list[0]
        engine.map('m').set('k', root.users)
        expect(() => (root.users.ada.fn = [() => 1])).toThrow(code('UNSUPPORTED_VALUE'))
        return engine.map('m').live('k')
      },
      after: 'another text of some length',
    }
    expect(seen[0]).toEqual({ x: 1 })
    const { a, b } = copy(root.users.new)
    expect(a.nested.visits).toBe(2)
    expect(b.new).toEqual({ text: 'changed' })
    expect(Object.keys(copy(root.users.new))).toEqual(['before', 'a', 'b', 'after'])
    expect(root.users.new.before).toBe('a text of some length')
    expect(root.users.new.after).toBe('another text of some length')
  })

  it('may close the store, or drop what is assigned to', async () => {
    const engine = await open()
    const root = rootOf(engine)
    root.a = { b: { c: [1] } }
    const { b } = root.a
    const { c } = b
    const dropping = {
      get x() {
        delete root.a
        return [1]
      },
    }
    expect(() => (b.d = dropping)).toThrow(code('DETACHED'))
    expect(copy(root)).toEqual({})
    root.a = { c }.c === c ? { list: [1, 2] } : {}
    const { list } = root.a
    expect(() => list.push(1, dropping)).toThrow(code('DETACHED'))
    root.a = { list: [1, 2] }
    const again = root.a.list
    const closing = {
      get x() {
        void engine.close()
        return 1
      },
    }
    expect(() => (again[1] = closing)).toThrow(code('CLOSED'))
    expect(() => again[0]).toThrow(code('CLOSED'))
    expect(() => root.a).toThrow(code('CLOSED'))
    expect(() => copy(root)).toThrow(code('CLOSED'))
  })

  it('are read once, and leave encoding as it was when they throw', async () => {
    const root = rootOf(await open())
    root.a = { kept: [1] }
    const failing = {
      text: 'text',
      get x(): never {
        throw new RangeError('mine')
      },
    }
    expect(() => (root.a = { list: [failing] })).toThrow(RangeError)
    expect(() => root.a.kept.push(failing)).toThrow(RangeError)
    root.a.kept.push(2)
    expect(copy(root)).toEqual({ a: { kept: [1, 2] } })
  })
})

describe('views as values', () => {
  it('are copied as what they show', async () => {
    const engine = await open()
    const other = rootOf(await open())
    const root = rootOf(engine)
    const map = engine.map('m') as ForkstoreMap<Key, unknown>
    other.x = { of: ['another store'] }
    root.a = { list: [1, , { b: 'text' }] }
    root.b = root.a
    root.c = { d: [root.a, root.a.list, other.x] }
    root.a.list.push(root.a)
    map.set('view', root.a)
    map.set('inner', { list: root.a.list })
    map.patch('inner', { more: root.b, foreign: other.x.of })
    const copied = { list: [1, , { b: 'text' }] }
    sameValue(copy(root.b), copied)
    sameValue(copy(root.c), { d: [copied, copied.list, { of: ['another store'] }] })
    sameValue(map.get('view'), { list: [1, , { b: 'text' }, copied] })
    sameValue(map.get('inner'), {
      list: [1, , { b: 'text' }, copied],
      more: copied,
      foreign: ['another store'],
    })
    root.a.list[0] = 'changed'
    sameValue(copy(root.b), copied)
    const gone = root.b
    delete root.b
    expect(() => (root.d = { x: [gone] })).toThrow(code('DETACHED'))
    expect('d' in root).toBe(false)
    root.a = root.a.list
    expect(root.a[0]).toBe('changed')
  })
})

describe('deep values', () => {
  it('go in and come back', async () => {
    const engine = await open()
    const root = rootOf(engine)
    for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ inner })]) {
      let deep: Any = 'end'
      for (let i = 0; i < 100_000; i++) deep = wrap(deep)
      root.deep = deep
      let at: Any = copy(root).deep
      let view: Any = root.deep
      for (let i = 0; i < 100_000; i++) {
        at = Object.values(at)[0]
        view = Array.isArray(view) ? view[0] : view.inner
      }
      expect(at).toBe('end')
      expect(view).toBe('end')
      root.again = root.deep
      delete root.deep
      // While dropped nodes wait, every node's way up is looked at.
      while (!engine.idle());
    }
  })
})
