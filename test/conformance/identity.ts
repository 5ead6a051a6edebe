import { expect, test } from 'vitest'
import { copy, type AnyRoot } from '../../lib/index.js'
import { MOST_PAGED_IN_A_TURN } from '../../lib/views/view-cache.js'
import type { EngineName } from '../support/engines.js'
import { expectError } from '../support/expect.js'
import { Stores } from '../support/stores.js'

const USERS = 200_000

const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Identity of views, and its end. */
export function identitySuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const makeUsers = async (count: number): Promise<AnyRoot> => {
    const store = await stores.open(undefined, { maxBytes: 2 ** 32 })
    store.root['users'] = Object.fromEntries(
      Array.from({ length: count }, (_, n) => [`user ${n}`, { n, options: { n } }]),
    )
    return store.root['users'] as AnyRoot
  }

  test('the same object is the same view', async () => {
    const store = await stores.open()
    const { root } = store
    root['a'] = { list: [{ n: 1 }, { n: 2 }] }
    expect(store.root).toBe(root)
    expect(root['a']).toBe(root['a'])
    const { a } = root
    const [one, two] = a.list as object[]
    expect(a.list.includes(one)).toBe(true)
    expect(a.list.indexOf(two)).toBe(1)
    expect(one === two).toBe(false)
    expect(new Set([one, two, a.list[0], a.list[1]]).size).toBe(2)
    expect(new Map([[one, 'one']]).get(a.list[0] as object)).toBe('one')
    expect(Object.values(a.list)).toContain(one)
    expect([...a.list][1]).toBe(two)
    a.list.reverse()
    expect(a.list[0]).toBe(two)
    root['copy'] = a
    expect(root['copy'].list[0] === two).toBe(false)
  })

  test('views of what was removed or replaced are refused, for good', async () => {
    const store = await stores.open()
    const { root } = store
    const detaching: Record<string, (user: AnyRoot) => unknown> = {
      delete: () => delete root['user'],
      'set to a value': () => (root['user'] = 1),
      'set to an equal object': () => (root['user'] = { options: { list: [{}] } }),
      'set to what it was copied to': () => {
        root['copy'] = root['user']
        root['user'] = root['copy']
      },
    }
    for (const [name, detach] of Object.entries(detaching)) {
      root['user'] = { options: { list: [{}] } }
      const user = root['user'] as AnyRoot
      const views = [user, user['options'], user['options'].list, user['options'].list[0]] as AnyRoot[]
      detach(user)
      root['other'] = { options: { list: [{}] } }
      for (const view of views) {
        const error = expectError('ERR_FORKSTORE_DETACHED', () => view['0'] as unknown)
        expect(error.message, name).toContain('root.user')
        expectError('ERR_FORKSTORE_DETACHED', () => (view['0'] = 1))
        expectError('ERR_FORKSTORE_DETACHED', () => JSON.stringify(view))
        expectError('ERR_FORKSTORE_DETACHED', () => (root['again'] = view))
        expectError('ERR_FORKSTORE_DETACHED', () => (root['again'] = { in: [view] }))
      }
      expect('again' in root).toBe(false)
    }
  })

  test('assigning a view to the place that it shows changes nothing', async () => {
    const store = await stores.open()
    const { root } = store
    root['user'] = { visits: 1, list: [{ n: 0 }, { n: 1 }] }
    root['many'] = Array.from({ length: 100 }, (_, n) => ({ n }))
    const user = root['user'] as AnyRoot
    const item = root['many'][70] as AnyRoot
    const { writes } = store.stats()
    root['user'] = user
    user['list'] = user['list'] as unknown
    user['list'][1] = user['list'][1] as unknown
    root['many'][70] = item
    Object.assign(root, { user, many: root['many'] as unknown })
    Object.defineProperty(root, 'user', { value: user })
    expect(store.stats().writes).toBe(writes)
    expect(root['user']).toBe(user)
    expect(root['many'][70]).toBe(item)
    root['user'] = Object.assign(root['user'] as AnyRoot, { visits: 2 })
    expect(user).toEqual({ visits: 2, list: [{ n: 0 }, { n: 1 }] })

    // What goes to another place is a copy. A swap would copy what its first half has replaced: it is refused.
    const list = user['list'] as AnyRoot[]
    const [zero, one] = list as [AnyRoot, AnyRoot]
    expectError('ERR_FORKSTORE_DETACHED', () => ([list[0], list[1]] = [one, zero]))
    expect(list).toEqual([{ n: 1 }, { n: 1 }])
    ;[list[0], list[1]] = [copy(one), { n: 0 }]
    expect(list).toEqual([{ n: 1 }, { n: 0 }])
    expect(list[0] === one).toBe(false)
    expectError('ERR_FORKSTORE_DETACHED', () => (root['user'] = { zero }))
  })

  for (const [name, empty] of Object.entries<(list: unknown[]) => unknown>({
    'length = 0': (list) => (list.length = 0),
    'splice(0)': (list) => list.splice(0),
    'length = 1': (list) => (list.length = 1),
    'splice(1)': (list) => list.splice(1),
  })) {
    test(`all items of a long array leave at once: ${name}`, async () => {
      const store = await stores.open()
      store.root['list'] = Array.from({ length: 5000 }, (_, n) => ({ n, in: { n } }))
      const list = store.root['list'] as AnyRoot[]
      const views = list.slice(1).flatMap((item) => [item, item['in'] as AnyRoot])
      empty(list)
      for (const view of views) expectError('ERR_FORKSTORE_DETACHED', () => view['n'] as unknown)
      list.push({ n: -1 })
      expect(list.at(-1)?.['n']).toBe(-1)
      for (const view of views) expectError('ERR_FORKSTORE_DETACHED', () => (view['n'] = 1))
      expect(list.at(-1)).toEqual({ n: -1 })
    })
  }

  test('messages name places of any depth', async () => {
    const { root } = await stores.open(undefined, { maxBytes: 2 ** 30 })
    let deep: AnyRoot = {}
    for (let depth = 0; depth < 2_000; depth++) deep = { in: deep }
    root['deep'] = deep
    let view = root['deep'] as AnyRoot
    while (view['in'] !== undefined) view = view['in'] as AnyRoot
    const error = expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => (view['wrong'] = Symbol('no')))
    expect(error.message).toMatch(
      /^root\.deep\.in\..* \(\d+ more\) .*\.in\.wrong: a symbol cannot be stored$/,
    )
    delete root['deep']
    expect(expectError('ERR_FORKSTORE_DETACHED', () => view['in'] as unknown).message).toContain(
      'root.deep.in.',
    )
  })

  test('views of array items that left', async () => {
    const { root } = await stores.open()
    root['list'] = Array.from({ length: 12 }, (_, n) => ({ n }))
    const views = [...root['list']] as AnyRoot[]
    const { list } = root
    list.pop()
    list.shift()
    list.splice(4, 1)
    list[0] = 1
    delete list[1]
    list.length = 6
    list.fill(0, 2, 3)
    const left = views.map((view) => {
      try {
        return view['n'] as number
      } catch {
        return -1
      }
    })
    expect(left).toEqual([-1, -1, -1, -1, 4, -1, 6, 7, -1, -1, -1, -1])
    expect(list.map((item: unknown) => views.indexOf(item as AnyRoot))).toEqual([-1, , -1, 4, 6, 7]) // prettier-ignore
  })

  test('held views stay the views of their objects while 200,000 others are looked at', async () => {
    const users = await makeUsers(USERS)
    const held = new Map<number, object>()
    for (let n = 0; n < USERS; n += 997) held.set(n, users[`user ${n}`].options as object)
    await aTurn()
    for (let turn = 0; turn < 10; turn++) {
      // Each looks at two objects: the user and the options.
      for (let n = turn * (USERS / 10); n < (turn + 1) * (USERS / 10); n++) users[`user ${n}`].options.n++
      await aTurn()
      globalThis.gc?.()
      for (const [n, view] of held) expect(users[`user ${n}`].options === view).toBe(true)
      await aTurn()
    }
  })

  test('a held view survives as much as falls out in one turn', async () => {
    const users = await makeUsers(USERS)
    const first = users['user 0'] as AnyRoot
    for (let n = 1; n < MOST_PAGED_IN_A_TURN / 2; n++) users[`user ${n}`].options.n++
    expect(users['user 0']).toBe(first)
  })

  test('a view that lost its identity still shows its object', async () => {
    const users = await makeUsers(USERS)
    const held = Array.from({ length: 1000 }, (_, n) => users[`user ${n * 200}`] as AnyRoot)
    let sum = 0
    for (let n = 0; n < USERS; n++) sum += users[`user ${n}`].options.n as number
    expect(sum).toBe((USERS * (USERS - 1)) / 2)
    held.forEach((view, n) => {
      view['seen'] = n
      expect(users[`user ${n * 200}`].seen).toBe(n)
      expect(view['n']).toBe(n * 200)
    })
    delete users['user 0']
    expectError('ERR_FORKSTORE_DETACHED', () => held[0]!['n'] as unknown)
  })
}
