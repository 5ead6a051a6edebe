/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import assert from 'node:assert/strict'
import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { copy } from '../../lib/index.js'
import type { AnyRoot } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'
import { expectShows } from '../support/views.js'

const user = { name: 'Ada Lovelace', visits: 1, options: { newsletter: false }, tags: ['x', 'y'] }

/** Objects of the live tree as operators, functions of JavaScript and of Node, and assertions see them. */
export function treeObjectsLanguageSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const makeRoot = async (): Promise<AnyRoot> => (await stores.open()).root

  test('ways of the language', async () => {
    const root = await makeRoot()
    root['users'] = { a: user, b: { ...user, name: 'Bob' }, c: 3 }
    const { users } = root
    expect(Object.keys(users)).toEqual(['a', 'b', 'c'])
    expect(Object.values(users)).toEqual([user, { ...user, name: 'Bob' }, 3])
    expect(Object.entries(users)[2]).toEqual(['c', 3])
    expect(Object.fromEntries(Object.entries(users))).toEqual({ a: user, b: { ...user, name: 'Bob' }, c: 3 })
    const { a, ...rest } = users
    expect(a).toBe(users.a)
    expect(rest).toEqual({ b: { ...user, name: 'Bob' }, c: 3 })
    expect({ ...users, d: 4 }).toEqual({ a: user, b: { ...user, name: 'Bob' }, c: 3, d: 4 })
    const seen: string[] = []
    for (const name in users) seen.push(name)
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(Object.assign(users.a, { visits: 7, more: [1] })).toBe(users.a)
    expect(users.a).toEqual({ ...user, visits: 7, more: [1] })
    expect(Object.hasOwn(users, 'a') && !Object.hasOwn(users, 'toString')).toBe(true)
    expect(Object.prototype.propertyIsEnumerable.call(users, 'a')).toBe(true)
    expect(JSON.stringify(root)).toBe(JSON.stringify(copy(root)))
    expect(JSON.stringify(users.a, null, 2)).toBe(JSON.stringify(copy(users.a), null, 2))
    expect(users instanceof Object).toBe(true)
    expect(Array.isArray(users)).toBe(false)
    expect(Object.prototype.toString.call(users)).toBe('[object Object]')
    expect(String(users)).toBe('[object Object]')
    expect(`${users}` + `${[users].join()}`).toBe('[object Object][object Object]')
    expect(Number(users)).toBeNaN()
    users.a.visits += 2
    users.a.name ??= 'nobody'
    users.x ??= { y: 1 }
    users.c **= 3
    expect([users.a.visits, users.a.name, users.x.y, users.c]).toEqual([9, 'Ada Lovelace', 1, 27])
    expect(users.nobody?.name).toBeUndefined()
  })

  test('views are equal to plain data', async () => {
    const root = await makeRoot()
    const data = {
      users: { a: user },
      list: [1, [2], { three: 3 }],
      date: new Date(5),
      bytes: new Uint8Array([1]),
    }
    Object.assign(root, data)
    expect(root).toEqual(data)
    expect(data).toEqual(root)
    expect(root).not.toEqual({ ...data, list: [1, [2], { three: 4 }] })
    expect(root).toMatchObject({ users: { a: { visits: 1 } } })
    assert.deepStrictEqual(root, data)
    // The other way round Node from 22 on asks the plain object for its constructor, which a view has not.
    assert.deepStrictEqual(data, copy(root))
    assert.throws(() => assert.deepStrictEqual(root, { ...data, list: [] }))
  })

  test('an awaited view is the view', async () => {
    const root = await makeRoot()
    expect((await (root as never)) === root).toBe(true)
    expect(await Promise.resolve(root as never)).toBe(root)
  })

  test('symbols name nothing', async () => {
    const root = await makeRoot()
    const symbol = Symbol('name')
    expect(root[symbol as never]).toBeUndefined()
    expect(symbol in root).toBe(false)
    const error = expectError(
      'ERR_FORKSTORE_UNSUPPORTED_KEY',
      () => ((root as Record<symbol, unknown>)[symbol] = 1),
    )
    expect(error.message).toBe('root[Symbol(name)]: a symbol cannot be the name of a member')
    expectError('ERR_FORKSTORE_UNSUPPORTED_KEY', () => Object.defineProperty(root, symbol, { value: 1 }))
    expect(Reflect.deleteProperty(root, symbol)).toBe(true)
    expect(Object.getOwnPropertySymbols(root)).toEqual([])
  })

  test('defineProperty stores data, and nothing else', async () => {
    const root = await makeRoot()
    const all = { writable: true, enumerable: true, configurable: true }
    Object.defineProperty(root, 'a', { value: { b: 1 }, ...all })
    Object.defineProperty(root, 'a', { value: 2 })
    Object.defineProperty(root, 'a', {})
    Object.defineProperty(root, 'u', all)
    expectShows(root, { a: 2, u: undefined })
    const wrong: [PropertyDescriptor, string][] = [
      [{ get: () => 1, enumerable: true, configurable: true }, 'accessor'],
      [{ set: () => undefined, enumerable: true, configurable: true }, 'accessor'],
      [{ value: 1, ...all, writable: false }, 'writable'],
      [{ value: 1, ...all, enumerable: false }, 'enumerable'],
      [{ value: 1, ...all, configurable: false }, 'configurable'],
      [{ value: 1 }, 'writable'],
    ]
    for (const [descriptor, word] of wrong) {
      const error = expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () =>
        Object.defineProperty(root, 'new', descriptor),
      )
      expect(error.message).toContain(word)
      expect(error.message.startsWith('root.new: ')).toBe(true)
    }
    expectShows(root, { a: 2, u: undefined })
    Object.defineProperties(root, { x: { value: 1, ...all }, y: { value: [2], ...all } })
    expectShows(root, { a: 2, u: undefined, x: 1, y: [2] })
    expectSame(Object.keys(Object.getOwnPropertyDescriptors(root)), ['a', 'u', 'x', 'y'])
  })

  test('no prototype, no freezing', async () => {
    const root = await makeRoot()
    root['a'] = { n: 1 }
    const wrong: (() => unknown)[] = [
      () => Object.freeze(root['a']),
      () => Object.seal(root['a']),
      () => Object.preventExtensions(root['a']),
      () => Object.setPrototypeOf(root['a'], null),
      () => Object.setPrototypeOf(root['a'], { x: 1 }),
    ]
    for (const run of wrong) expectError('ERR_FORKSTORE_INVALID_ARGUMENT', run)
    Object.setPrototypeOf(root['a'], Object.prototype)
    expect(Object.isExtensible(root['a'])).toBe(true)
    expect(Object.isFrozen(root['a'])).toBe(false)
    root['a'].m = 2
    expectShows(root, { a: { n: 1, m: 2 } })
  })

  test('a view as the prototype of an object', async () => {
    const root = await makeRoot()
    root['defaults'] = { colour: 'red' }
    const heir = Object.create(root['defaults'] as object) as Record<string, unknown>
    expect(heir['colour']).toBe('red')
    heir['colour'] = 'blue'
    heir['size'] = 1
    expectSame(Object.keys(heir), ['colour', 'size'])
    expectShows(root, { defaults: { colour: 'red' } })
    expect(Reflect.set(root['defaults'], 'colour', 'green', {})).toBe(true)
    expectShows(root, { defaults: { colour: 'red' } })
  })

  test('inspect shows the data', async () => {
    const root = await makeRoot()
    const data = { users: { a: user }, list: [1, , [2, [3, [4]]]], 'odd name': 'it’s', date: new Date(0), none: undefined } // prettier-ignore
    Object.assign(root, data)
    root['list'] = data.list
    for (const options of [
      {},
      { depth: 0 },
      { depth: 1 },
      { depth: null },
      { compact: false },
      { colors: true },
      { maxArrayLength: 1 },
      { breakLength: 20 },
    ]) {
      if ('maxArrayLength' in options)
        expect(inspect(root['list'], options)).toBe(inspect(data.list, options))
      else expect(inspect(root, options)).toBe(inspect(data, options))
    }
    expect(inspect({ in: [root] }, { depth: 2 })).toBe(inspect({ in: [data] }, { depth: 2 }))
  })

  test('inspect shows what lies behind views, and not the engine', async () => {
    const root = await makeRoot()
    root['list'] = [1]
    expect(inspect(root, { showProxy: true })).toBe('Proxy [ {}, [node: root] ]')
    expect(inspect(root['list'], { showProxy: true })).toBe('Proxy [ [], [node: list] ]')
    expect(format('%o', { root })).toContain('[node: root]')
  })

  test('inspect shows some of a large object', async () => {
    const root = await makeRoot()
    root['users'] = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [`user ${index}`, { index }]),
    )
    const text = inspect(root)
    expect(text).toContain("'user 99': ")
    expect(text).not.toContain("'user 100': ")
    expect(text).toContain('... 900 more members')
    expect(inspect(root['users'], { maxArrayLength: 1, compact: true })).toBe(
      "{ 'user 0': { index: 0 }, ... 999 more members }",
    )
    expect(inspect(root, { maxArrayLength: 0 })).toBe('{ ... 1 more member }')
    root['list'] = Array.from({ length: 1000 }, (_, index) => index)
    expect(inspect(root['list'])).toBe(inspect(copy(root['list'])))
    delete root['list']
    const view = root['users'] as object
    delete root['users']
    expect(inspect({ view })).toBe('{ view: [detached: root.users] }')
  })

  test('enumerating a large object while it changes', async () => {
    const root = await makeRoot()
    const data: Record<string, { n: number }> = {}
    for (let index = 0; index < 500; index++) data[`member ${index}`] = { n: index }
    root['users'] = data
    const { users } = root
    expectShows(users, data)
    let sum = 0
    for (const name in users) {
      sum += users[name].n as number
      if (users[name].n % 3 === 0) delete users[`member ${users[name].n + 1}`]
      if (users[name].n % 7 === 0) users[name].n = 0
    }
    // Of the members 3k, 3k + 1, 3k + 2 the second is never seen.
    expect(sum).toBe(
      Array.from({ length: 500 }, (_, n) => n)
        .filter((n) => n % 3 !== 1)
        .reduce((a, b) => a + b),
    )
    for (const [name, value] of Object.entries(users) as [string, { n: number }][]) users[name] = value.n + 1
    expect(Object.values(users).every((value) => typeof value === 'number')).toBe(true)
    const names = Object.keys(users)
    users['one more'] = 5
    expect(names.map((name) => users[name] as number)).toEqual(Object.values(users).slice(0, -1))
    expect([...names].reverse().map((name) => users[name] as number)).toEqual(
      Object.values(users).slice(0, -1).reverse(),
    )
  })
}
