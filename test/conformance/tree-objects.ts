/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import { inspect } from 'node:util'
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
