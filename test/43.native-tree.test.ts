import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { NativeEngine } from '../lib/engines/native/engine.js'
import type { ForkstoreMap } from '../lib/collections/map.js'
import { copy, query } from '../lib/collections/view-functions.js'
import { nativeEngine } from './support/native-engine.js'
import { checkTreePrograms } from './support/native-tree-programs.js'
import { sameValue } from './support/values.js'

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

describe('the tree does what plain data does', () => {
  it('through windows', async () => checkTreePrograms(await open(), 600))
  it('through copies of blocks', async () => checkTreePrograms(await open({ windows: false }), 200))
  it('where code generation is forbidden', () => {
    const child = fileURLToPath(new URL('./support/native-child.ts', import.meta.url))
    const args = ['--disallow-code-generation-from-strings', '--import', 'tsx', child, 'tree']
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toContain('same results')
  })
})

describe('every kind of node', () => {
  const leaves = [
    1,
    -0,
    'x',
    'a longer text, not within the slot',
    'y'.repeat(5000),
    '\u1234',
    2n ** 80n,
    null,
    undefined,
  ]
  const more = [new Date(5), Buffer.from('bytes'), new Uint8Array(300).fill(7), true, NaN, 1e300]

  it('shows members, items and their kinds, with windows and without', async () => {
    for (const windows of [true, false]) {
      const root = rootOf(await open({ windows }))
      const values = [...leaves, ...more]
      const table = Object.fromEntries(
        [...Array(500).keys()].map((i) => [`name ${i}`, values[i % values.length]]),
      )
      const expected = {
        shaped: Object.fromEntries(values.map((value, i) => [`f${i}`, value])),
        table,
        list: values,
        sequence: Array.from({ length: 500 }, (_, i) => values[i % values.length]),
        holes: [, 1, , { a: 1 }, ,],
        nested: { table: { ...table, inner: { x: [[[]]] } }, list: [[1], { y: 2 }] },
      }
      Object.assign(root, expected)
      sameValue(root, expected)
      sameValue(copy(root), expected)
      root.dictionary = {}
      for (let i = 0; i < 40; i++) root.dictionary[`only here ${i}`] = values[i % values.length]
      root.wide = {}
      for (let i = 0; i < 65; i++) root.wide[65 - i] = { i }
      expect(Object.keys(root.dictionary)).toEqual([...Array(40).keys()].map((i) => `only here ${i}`))
      expect(Object.keys(root.wide)).toEqual([...Array(65).keys()].map((i) => String(i + 1)))
      for (let i = 0; i < 40; i++) sameValue(root.dictionary[`only here ${i}`], values[i % values.length])
      expect(root.wide[1]).toEqual({ i: 64 })
      expect(root.dictionary.nobody).toBeUndefined()
      expect('nobody' in root.table).toBe(false)
      expect(root.sequence[500]).toBeUndefined()
      expect(500 in root.sequence).toBe(false)
      expect(0 in root.holes).toBe(false)
    }
  })

  it('takes every kind of leaf in the place of every other', async () => {
    for (const windows of [true, false]) {
      const root = rootOf(await open({ windows }))
      const values = [...leaves, ...more, { a: 1 }, [1]]
      root.object = { before: 'text before it', it: 0, after: 'text after it' }
      root.list = ['text before it', 0, 'text after it']
      root.long = Array.from({ length: 100 }, (_, i) => i)
      for (const first of values) {
        for (const second of values) {
          for (const value of [first, second]) {
            root.object.it = value
            root.list[1] = value
            root.long[50] = value
          }
          sameValue(copy(root.object), { before: 'text before it', it: second, after: 'text after it' })
          sameValue(root.list, ['text before it', second, 'text after it'])
          sameValue(root.long[50], second)
        }
      }
    }
  })
})

describe('identity', () => {
  it('is kept through changes around it', async () => {
    for (const windows of [true, false]) {
      const root = rootOf(await open({ windows }))
      root.users = {}
      for (let i = 0; i < 200; i++) root.users[`user ${i}`] = { i, list: [{}] }
      const held = root.users['user 77']
      const inner = held.list[0]
      for (let i = 0; i < 200; i++) if (i !== 77) Reflect.deleteProperty(root.users, `user ${i}`)
      held.more = 'a member that moves the block'.repeat(20)
      held.list.unshift('first')
      expect(root.users['user 77']).toBe(held)
      expect(held.list[1]).toBe(inner)
      expect(held.i).toBe(77)
      const all = new Set([root.users, held, inner])
      expect(all.has(root.users['user 77'].list[1])).toBe(true)
    }
  })

  it('ends with the node: DETACHED, whatever is used', async () => {
    for (const windows of [true, false]) {
      const root = rootOf(await open({ windows }))
      root.users = { 'a@b': { name: 'Ada', tags: ['x'], more: { deep: {} } } }
      const user = root.users['a@b']
      const { tags, more } = user
      const { deep } = more
      root.users['a@b'] = { name: 'another', tags: ['y'], more: { deep: {} } }
      const uses: (() => unknown)[] = [
        () => user.name,
        () => (user.name = 'x'),
        () => 'name' in user,
        () => delete user.name,
        () => Object.keys(user),
        () => copy(user),
        () => [...query(user as object)],
        () => tags[0],
        () => tags.length,
        () => tags.push(1),
        () => tags.pop(),
        () => (tags.length = 0),
        () => copy(tags),
        () => deep.x,
        () => (deep.x = 1),
        () => more.deep,
      ]
      for (const use of uses) expect(use).toThrow(code('DETACHED'))
      expect(() => user.name).toThrow(/^root\.users\["a@b"\] was removed/)
      expect(copy(root)).toEqual({ users: { 'a@b': { name: 'another', tags: ['y'], more: { deep: {} } } } })
      // Not even many new nodes in the same memory are taken for it.
      for (let i = 0; i < 300; i++) root.users[`n${i}`] = { name: 'Ada', tags: ['x'], more: { deep: {} } }
      for (const use of uses) expect(use).toThrow(code('DETACHED'))
    }
  })
})

describe('entries of maps', () => {
  it('are adopted: one and the same through view and map', async () => {
    for (const windows of [true, false]) {
      const engine = await open({ windows })
      const users = engine.map('users') as ForkstoreMap<string, Any>
      for (const key of ['ada', 7, 2n ** 70n]) {
        users.set(key as never, { visits: 1, options: { theme: 'dark' }, tags: ['x'] })
        const user = users.live(key as never)
        expect(users.live(key as never)).toBe(user)
        user.visits++
        user.options.theme = 'light'
        user.tags.push({ y: 1 })
        expect(users.get(key as never)).toEqual({
          visits: 2,
          options: { theme: 'light' },
          tags: ['x', { y: 1 }],
        })
        expect(users.increment(key as never, 'visits', 5)).toBe(7)
        users.patch(key as never, { options: { theme: 'blue' }, more: [1] })
        expect(user.visits).toBe(7)
        expect(copy(user.options)).toEqual({ theme: 'blue' })
        expect(() => users.increment(key as never, 'tags')).toThrow(code('WRONG_TYPE'))
      }
      expect([...users.values()].map((user) => user.more)).toEqual([[1], [1], [1]])
      expect([...users].map(([key]) => key)).toEqual(['ada', 7, 2n ** 70n])
      expect(users.filter((user) => user.options.theme === 'blue').count()).toBe(3)
      users.set('list' as never, [1, [2]])
      const list = users.live('list' as never)
      list[1].push(3)
      expect(users.get('list' as never)).toEqual([1, [2, 3]])
      expect(() => users.patch('list' as never, { a: 1 })).toThrow(code('WRONG_TYPE'))
      users.set('plain' as never, 'text')
      expect(users.live('plain' as never)).toBe('text')
      expect(users.live('nobody' as never)).toBeUndefined()
      const ada = users.live('ada' as never)
      users.set('ada' as never, { visits: 0 })
      expect(() => ada.visits).toThrow(/^users\["ada"\] was removed/)
      const again = users.live('ada' as never)
      expect(() => (again.fn = () => 1)).toThrow(/^users\["ada"\]\.fn: a function/)
      users.delete('ada' as never)
      expect(() => (again.visits = 1)).toThrow(code('DETACHED'))
      users.clear()
      expect(() => list.length).toThrow(code('DETACHED'))
    }
  })

  it('are read in queries where they lie, until something changes', async () => {
    for (const windows of [true, false]) {
      const engine = await open({ windows })
      const map = engine.map('m') as ForkstoreMap<string, Any>
      const wide = Object.fromEntries([...Array(70).keys()].map((i) => [`field${i}`, [i]]))
      const values: Any[] = [
        { a: 1, list: [1, , { b: 'some longer text' }], date: new Date(7), inner: { x: { y: 2n } } },
        wide,
        [1, , [2], 'text'],
        'text',
        null,
        { ...wide, text: 'z'.repeat(6000) },
      ]
      values.forEach((value, index) => map.set(index as never, value))
      map.live(0 as never)
      const seen: unknown[] = []
      const count = map.count((value, key) => {
        sameValue(value, values[Number(key)])
        seen.push(value)
        return typeof value === 'object' && value !== null && Object.hasOwn(value, 'text')
      })
      expect(count).toBe(1)
      sameValue(map.toArray(), values)
      const first = map.find((value) => value?.a === 1)
      sameValue(first, values[0])
      map.some((value) => {
        expect(value.inner).toBe(value.inner)
        expect(query(value.list as object).toArray().length).toBe(2)
        expect(() => (value.a = 2)).toThrow(code('INVALID_ARGUMENT'))
        expect(() => value.list.push(1)).toThrow(code('INVALID_ARGUMENT'))
        expect(() => delete value.a).toThrow(code('INVALID_ARGUMENT'))
        return true
      })
      const held = seen[0] as Any
      expect(held.a).toBe(1)
      engine.map('another').set('k', 1)
      expect(() => held.a).toThrow(code('DETACHED'))
      expect(() => copy(held)).toThrow(code('DETACHED'))
    }
  })
})

describe('scopes', () => {
  it('taken back: maps, their iterators and views are as before', async () => {
    for (const windows of [true, false]) {
      const engine = await open({ windows })
      const map = engine.map('m') as ForkstoreMap<string, Any>
      const root = rootOf(engine)
      for (let i = 0; i < 50; i++) map.set(`k${i}`, { i, list: [i] })
      root.users = { a: { n: 1, list: [1, { x: 1 }] }, b: { n: 2 } }
      const live = map.live('k7') as Any
      const before = { map: [...map], root: copy(root) }
      const { a } = root.users
      const item = a.list[1]
      const iterator = map.keys()
      expect(iterator.next().value).toBe('k0')
      const scan = query(root.users as object)[Symbol.iterator]()
      expect(scan.next().value).toBe(a)

      engine.begin()
      for (let i = 1; i < 50; i += 2) map.delete(`k${i}`)
      for (let i = 0; i < 100; i++) map.set(`new ${i}`, 'x'.repeat(i))
      expect(iterator.next().value).toBe('k2')
      root.users.a = 'gone'
      root.users.c = { n: 3 }
      delete root.users.b
      expect(() => a.n).toThrow(code('DETACHED'))
      expect(() => live.i).toThrow(code('DETACHED'))
      const made = root.users.c
      engine.begin()
      map.clear()
      root.users = []
      expect(map.live('k8')).toBeUndefined()
      engine.rollback()
      expect(made.n).toBe(3)
      expect(map.size).toBe(125)
      engine.rollback()

      expect([...map]).toEqual(before.map)
      expect(copy(root)).toEqual(before.root)
      expect(iterator.next().value).toBe('k3')
      expect((scan.next().value as Any).n).toBe(2)
      expect(scan.next().done).toBe(true)
      expect(root.users.a).toBe(a)
      expect(a.list[1]).toBe(item)
      expect(map.live('k7')).toBe(live)
      expect(live.list[0]).toBe(7)
      expect(() => made.n).toThrow(code('DETACHED'))
      // Numbers of nodes that were taken back are not given to others.
      root.users.c = { n: 'another' }
      expect(() => made.n).toThrow(code('DETACHED'))
      expect(root.users.c === made).toBe(false)
      item.x = 'still live'
      expect(root.users.a.list[1].x).toBe('still live')
    }
  })

  it('that are not open cannot be ended', async () => {
    const engine = await open()
    expect(() => engine.commit()).toThrow(code('INVALID_ARGUMENT'))
    expect(() => engine.rollback()).toThrow(code('INVALID_ARGUMENT'))
    engine.begin()
    engine.commit()
    expect(() => engine.commit()).toThrow(code('INVALID_ARGUMENT'))
  })

  it('may be opened by a getter of a value that is being stored', async () => {
    const engine = await open()
    const root = rootOf(engine)
    root.list = [1, 2]
    root.a = {
      text: 'some longer text',
      get b() {
        engine.begin()
        root.list.push(3)
        engine.rollback()
        engine.begin()
        root.list.push(4)
        engine.commit()
        return root.list
      },
    }
    expect(copy(root)).toEqual({ list: [1, 2, 4], a: { text: 'some longer text', b: [1, 2, 4] } })
  })
})

describe('large objects and arrays', () => {
  it('give what splice returns many at a time, as many as take a certain space', async () => {
    const engine = await open()
    const root = rootOf(engine)
    const { store } = engine.tree
    const calls = vi.spyOn(store, 'packItems')
    const single = vi.spyOn(store, 'pack')
    for (const [items, most] of [
      [Array.from({ length: 20_000 }, (_, k) => ({ k })), 12],
      [Array.from({ length: 300 }, (_, k) => [k, 'x'.repeat(30_000)]), 40],
      [Array.from({ length: 3000 }, (_, k) => (k % 3 === 0 ? { k } : 'y'.repeat(k))), 20],
    ] as const) {
      root.list = items
      calls.mockClear()
      expect(root.list.splice(1)).toEqual(items.slice(1))
      expect(calls.mock.calls.length).toBeLessThanOrEqual(most)
    }
    root.list = []
    for (let n = 0; n < 500; n++) root.list[n * n] = { n }
    calls.mockClear()
    const spliced = root.list.splice(2, 200_000) as unknown[]
    expect(spliced).toHaveLength(200_000)
    expect(Object.entries(spliced)).toEqual(
      Array.from({ length: 446 }, (_, n) => [String((n + 2) ** 2 - 2), { n: n + 2 }]),
    )
    expect(calls.mock.calls.length).toBeLessThanOrEqual(3)
    expect(single).not.toHaveBeenCalled()
  })

  it('are listed whole, in order, while they change too', async () => {
    for (const windows of [true, false]) {
      const root = rootOf(await open({ windows }))
      const plain: Any = {}
      for (let i = 0; i < 3000; i++) plain[i % 7 === 0 ? 3000 - i : `name ${i}`] = { i }
      root.table = plain
      expect(Object.keys(root.table)).toEqual(Object.keys(plain))
      expect(Object.values(root.table).map((value: Any) => value.i)).toEqual(
        Object.values(plain).map((value: Any) => value.i),
      )
      expect(Object.entries(root.table).every(([name, value]) => plain[name].i === (value as Any).i)).toBe(
        true,
      )
      expect({ ...root.table }['name 2999'].i).toBe(2999)
      let seen = 0
      for (const name in root.table) {
        seen++
        if (seen % 3 === 0) root.table[name].i = -1
        if (seen % 5 === 0) Reflect.deleteProperty(root.table, name)
        if (seen % 500 === 0) root.table[`late ${seen}`] = { i: seen }
      }
      expect(seen).toBe(3000)
      expect(Object.keys(root.table).length).toBe(3000 - 600 + 6)
      const left = query(root.table as object).filter((value: Any) => value.i === -1)
      expect(left.count()).toBe(800)
      // A query goes on over what is there when its turn comes.
      let visited = 0
      query(root.table as object).forEach((_, name) => {
        visited++
        Reflect.deleteProperty(root.table, name)
      })
      expect(visited).toBe(2406)
      expect(Object.keys(root.table)).toEqual([])

      root.list = Array.from({ length: 3000 }, (_, i) => (i % 5 === 0 ? { i } : i))
      delete root.list[7]
      let sum = 0
      for (const item of root.list) sum += typeof item === 'object' ? item.i : (item ?? 0)
      expect(sum).toBe((3000 * 2999) / 2 - 7)
      expect(query(root.list as object).count()).toBe(2999)
      query(root.list as object).forEach((item, index) => {
        if ((index as unknown as number) % 2 === 0) root.list[index as never] = [item]
      })
      expect(root.list[10][0].i).toBe(10)
    }
  })
})
