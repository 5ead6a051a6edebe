import { expect, test } from 'vitest'
import type { AnyRoot } from '../../lib/index.js'
import { MOST_PAGED_IN_A_TURN } from '../../lib/tree/view-cache.js'
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
      'set to itself': (user) => (root['user'] = user),
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
