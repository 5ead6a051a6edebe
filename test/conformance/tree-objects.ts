/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import assert from 'node:assert/strict'
import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { copy } from '../../lib/index.js'
import type { AnyRoot, ForkstoreErrorCode } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { refused, storable } from '../support/samples.js'
import { Stores } from '../support/stores.js'
import { expectShows } from '../support/views.js'

const user = { name: 'Ada Lovelace', visits: 1, options: { newsletter: false }, tags: ['x', 'y'] }

/** Objects of the live tree. */
export function treeObjectsSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const makeRoot = async (): Promise<AnyRoot> => (await stores.open()).root

  test('a new root is empty', async () => {
    const root = await makeRoot()
    expectShows(root, {})
    expect(inspect(root)).toBe('{}')
    expect(root['nothing']).toBeUndefined()
    expect(delete root['nothing']).toBe(true)
  })

  test('members at any depth', async () => {
    const root = await makeRoot()
    root['users'] = {}
    root['users']['a@b'] = user
    root['users']['a@b'].visits++
    root['users']['a@b'].options.newsletter = true
    root['users']['a@b'].options.depth = { of: { three: [{ four: 1 }] } }
    root['users']['a@b'].tags[2] = 'z'
    delete root['users']['a@b'].name
    expectShows(root, {
      users: {
        'a@b': {
          visits: 2,
          options: { newsletter: true, depth: { of: { three: [{ four: 1 }] } } },
          tags: ['x', 'y', 'z'],
        },
      },
    })
    expect(user.visits).toBe(1)
  })

  test.each(storable)('member: $name', async (sample) => {
    const root = await makeRoot()
    const expected = 'stored' in sample ? sample.stored : sample.value
    root['before'] = 'some text before'
    root['value'] = sample.value
    root['nested'] = { value: sample.value, list: [sample.value, sample.value], after: 1 }
    expectSame(copy(root), {
      before: 'some text before',
      value: expected,
      nested: { value: expected, list: [expected, expected], after: 1 },
    })
    root['value'] = 1
    root['nested'].value = root['nested'].list[0]
    root['nested'].list = 'gone'
    expectSame(copy(root), {
      before: 'some text before',
      value: 1,
      nested: { value: expected, list: 'gone', after: 1 },
    })
  })

  test.each(refused)('refused: $name', async ({ value, says }) => {
    const root = await makeRoot()
    root['a'] = { b: 1 }
    const assignments: [() => unknown, string][] = [
      [() => (root['a'].b = value), 'root.a.b'],
      [() => (root['a'] = value), 'root.a'],
      [() => (root['a'].new = { 'x y': [1, value] }), 'root.a.new["x y"][1]'],
      [() => Object.assign(root['a'], { 'x y': value }), 'root.a["x y"]'],
    ]
    for (const [assign, path] of assignments) {
      const { message } = expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', assign)
      expect(message.startsWith(path), message).toBe(true)
      expect(message.endsWith(says) || says.startsWith(': a value that contains'), message).toBe(true)
      expectShows(root, { a: { b: 1 } })
    }
  })

  test('refusals name the path', async () => {
    const root = await makeRoot()
    root['users'] = { 'a@b': { tags: [{}] } }
    const messageOf = (assign: () => unknown): string =>
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', assign).message
    expect(messageOf(() => (root['users']['a@b'].fn = () => 1))).toBe(
      'root.users["a@b"].fn: a function cannot be stored',
    )
    expect(messageOf(() => (root['users']['a@b'].tags[0].deep = { er: [0, Symbol('s')] }))).toBe(
      'root.users["a@b"].tags[0].deep.er[1]: a symbol cannot be stored',
    )
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    expect(messageOf(() => (root['cycle'] = cycle))).toMatch(/^root\.cycle.*contains itself/)
  })

  test('any string is a name and none touches a prototype', async () => {
    const root = await makeRoot()
    const names = [
      ...[
        '__proto__',
        'constructor',
        'toString',
        'hasOwnProperty',
        'valueOf',
        '',
        'length',
        'toJSON',
        'then',
      ],
      ...[
        '\0',
        '\ud800',
        'Ω',
        'x'.repeat(127),
        'x'.repeat(128),
        'x'.repeat(129),
        'Ω'.repeat(300),
        'n'.repeat(70_000),
      ],
    ]
    for (const name of names) {
      expect(root[name]).toBeUndefined()
      expect(name in root).toBe(false)
    }
    const data = {}
    const define = (object: object, name: string, value: unknown): unknown =>
      Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
    names.forEach((name, index) => {
      root[name] = index % 2 === 0 ? index : { index }
      define(data, name, index % 2 === 0 ? index : { index })
    })
    expectSame(copy(root), data)
    expectSame(Reflect.ownKeys(root), names)
    expectSame(Object.getPrototypeOf(root), Object.prototype)
    for (const name of names) expect(delete root[name]).toBe(true)
    expectShows(root, {})
    root['own'] = data
    expectSame(copy(root), { own: data })
    expect(({} as Record<string, unknown>)['index']).toBeUndefined()
  })

  test('property order is the order of JavaScript', async () => {
    const root = await makeRoot()
    const data: Record<string, number> = {}
    const names = ['b', '10', 'a', '2', '01', '-1', '4294967294', '4294967295', '0', '1.5', 'z', '3']
    names.forEach((name, index) => {
      root[name] = data[name] = index
    })
    expectShows(root, data)
    for (const name of ['10', 'a', '0']) {
      Reflect.deleteProperty(data, name)
      delete root[name]
    }
    root['a'] = data['a'] = 5
    root['5'] = data['5'] = 6
    root['b'] = data['b'] = 7
    expectShows(root, data)
    root['whole'] = data
    expectShows(root['whole'], data)
  })

  test.each([8, 9, 63, 64, 65, 66, 200, 3000])('%i members come and go', async (count) => {
    const root = await makeRoot()
    root['object'] = {}
    const { object } = root
    const data: Record<string, unknown> = {}
    for (let index = 0; index < count; index++) {
      const name = index % 7 === 3 ? String(index) : `member ${index}`
      object[name] = data[name] = index % 5 === 0 ? `text ${index}`.repeat(30) : index
    }
    expectSame(copy(object), data)
    for (let index = 0; index < count; index += 3) {
      const name = index % 7 === 3 ? String(index) : `member ${index}`
      Reflect.deleteProperty(data, name)
      delete object[name]
    }
    object['member 1'] = data['member 1'] = { nested: true }
    object['again'] = data['again'] = 'and again'
    expectShows(object, data)
    for (const name of Object.keys(data)) {
      expect(name in object).toBe(true)
      delete object[name]
      expect(name in object).toBe(false)
    }
    expectShows(object, {})
    object['last'] = 1
    expectShows(object, { last: 1 })
    expect(root['object']).toBe(object)
  })

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

  test('assigning copies; assigning a view copies what it shows', async () => {
    const store = await stores.open()
    const other = await stores.open()
    const { root } = store
    root['a'] = user
    root['b'] = root['a']
    expect(root['b']).not.toBe(root['a'])
    root['b'].options.newsletter = true
    expect(root['a'].options.newsletter).toBe(false)
    root['pair'] = { one: root['a'], list: [root['b'], root['a'].tags] }
    expectShows(root['pair'], {
      one: user,
      list: [{ ...user, options: { newsletter: true } }, ['x', 'y']],
    })
    root['all'] = root
    expectSame(Object.keys(root['all']), ['a', 'b', 'pair'])
    root['a'].self = root['a']
    expectShows(root['a'], { ...user, self: user })
    root['a'] = root['a'].self
    expectShows(root['a'], user)
    const map = store.map<string, unknown>('map').set('entry', { from: root['a'] })
    expectSame(map.get('entry'), { from: user })
    map.patch('entry', { tags: root['a'].tags })
    expectSame(map.get('entry'), { from: user, tags: ['x', 'y'] })
    other.root['mine'] = root['a']
    other.map('map').set('mine', [root['a'].tags])
    expectShows(other.root['mine'], user)
    expectSame(other.map('map').get('mine'), [['x', 'y']])
  })

  test('a Proxy around a view is refused as any Proxy is', async () => {
    const root = await makeRoot()
    root['a'] = { b: 1 }
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const thrower = {
      get: (): never => expect.unreachable('a trap of a Proxy must not decide which error it is'),
    }
    for (const proxy of [
      revoked.proxy,
      new Proxy({}, thrower),
      new Proxy(root['a'] as object, {}),
      new Proxy({}, {}),
      new Proxy(root['a'] as object, { get: (target, name) => Reflect.get(target, name) as unknown }),
    ]) {
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => (root['c'] = proxy))
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => (root['c'] = [{ proxy }]))
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => copy(proxy))
    }
    expectShows(root, { a: { b: 1 } })
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

  test('Dates and bytes that are read are copies', async () => {
    const root = await makeRoot()
    root['date'] = new Date(5)
    root['bytes'] = Buffer.from('abc')
    root['date'].setTime(9)
    root['bytes'][0] = 0
    expectShows(root, { date: new Date(5), bytes: Buffer.from('abc') })
  })

  test('getters of what is assigned may change the tree', async () => {
    const root = await makeRoot()
    root['a'] = { x: 1 }
    const { a } = root
    a.y = {
      get p() {
        a.z = { from: 'the getter' }
        return 1
      },
    }
    expectShows(root, { a: { x: 1, z: { from: 'the getter' }, y: { p: 1 } } })
    const code: ForkstoreErrorCode = 'ERR_FORKSTORE_DETACHED'
    expectError(code, () => (a.w = { get p() { delete root['a']; return 1 } })) // prettier-ignore
    expectShows(root, {})
    expect(() => (root['b'] = { get p() { throw new RangeError('mine') } })).toThrow(RangeError) // prettier-ignore
    expectShows(root, {})
  })

  test('after close the member that was enumerated last is refused, too', async () => {
    const store = await stores.open()
    store.root['users'] = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`user ${n}`, { n }]))
    store.root['list'] = ['first', 'second']
    const { users, list } = store.root as { users: AnyRoot; list: string[] }
    const iterator = list.values()
    iterator.next()
    expect(Object.values(users)).toHaveLength(100)
    const closed = store.close()
    for (let round = 0; round < 2; round++) {
      expectError('ERR_FORKSTORE_CLOSED', () => users['user 99'] as unknown)
      expectError('ERR_FORKSTORE_CLOSED', () => Object.getOwnPropertyDescriptor(users, 'user 99'))
      expectError('ERR_FORKSTORE_CLOSED', () => iterator.next())
      await closed
    }
  })

  test('after close everything is refused', async () => {
    const store = await stores.open()
    const { root } = store
    root['a'] = { n: 1 }
    const { a } = root
    await store.close()
    expectError('ERR_FORKSTORE_CLOSED', () => store.root)
    for (const run of [
      () => root['a'] as unknown,
      () => (a.n = 2),
      () => 'n' in a,
      () => delete a.n,
      () => Object.keys(a),
      () => copy(a),
      () => JSON.stringify(a),
    ]) {
      expectError('ERR_FORKSTORE_CLOSED', run)
    }
    expect(inspect(root)).toBe('[closed: root]')
  })

  test('the tree is saved and loaded', async () => {
    const path = stores.directory()
    const data = { users: { a: user }, list: [1, , { x: [] }], big: Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`key ${n}`, { n }])) } // prettier-ignore
    const store = await stores.open(path)
    Object.assign(store.root, data)
    store.map('other').set('a', 1)
    await store.snapshot()
    store.root['users'].a.visits = 2
    await store.close()
    const again = await stores.open(path)
    expectSame(copy(again.root), { ...data, users: { a: { ...user, visits: 2 } } })
    again.root['users'].b = [1]
    again.root['list'].push('end')
    delete again.root['big']
    await again.close()
    const last = await stores.open(path)
    expectShows(last.root, { users: { a: { ...user, visits: 2 }, b: [1] }, list: [1, , { x: [] }, 'end'] }) // prettier-ignore
    expect(last.map('other').get('a')).toBe(1)
  })
}
