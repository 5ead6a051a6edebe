import { describe, expect, test } from 'vitest'
import { copy, query, type AnyRoot, type ForkstoreMap, type Store } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectError, expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'

interface User {
  name: string
  city: string
  address: { street: string; floors: number[] }
  tags: { text: string }[]
  seen: Date
  bytes: Uint8Array
}

const makeUser = (name: string, city: string): User => ({
  name,
  city,
  address: { street: `${name} street`, floors: [1, 2] },
  tags: [{ text: 'a' }, { text: name }],
  seen: new Date(5),
  bytes: new Uint8Array([1, 2]),
})

const USERS: [string, User][] = [
  ['ada', makeUser('Ada', 'London')],
  ['bob', makeUser('Bob', 'Paris')],
  ['eve', makeUser('Eve', 'London')],
]
const PLAIN = USERS.map(([, user]) => user)

type Users = ForkstoreMap<string, User>

class Card {
  readonly address: unknown
  readonly #kept: unknown
  constructor(user: { address: unknown }) {
    this.address = user.address
    this.#kept = user.address
  }

  get kept(): unknown {
    return this.#kept
  }
}

/** Throws for what holds a view. (The clone itself may be of another realm.) */
function cloneable<V>(value: V): V {
  structuredClone(value)
  return value
}

/** What comes out of queries over maps is plain data at every depth. */
export function queryResultsSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  const fill = (store: Store): Users => {
    const users = store.map<string, User>('users')
    for (const [key, user] of USERS) users.set(key, user)
    return users
  }

  /** Each way out of a query, and what comes out of the same over an array. */
  const ways: Record<string, [run: (users: Users) => unknown, expected: unknown]> = {
    'rows as they are': [(users) => users.filter(() => true).toArray(), PLAIN],
    'by iteration': [(users) => [...users.map((user) => ({ user }))], PLAIN.map((user) => ({ user }))],
    find: [(users) => users.find((user) => user.name === 'Bob'), PLAIN[1]],
    'find of what was made': [
      (users) => users.map(({ address }) => ({ deep: { address } })).find(() => true),
      { deep: { address: PLAIN[0]!.address } },
    ],
    'map to cards': [
      (users) => users.map(({ name, address }) => ({ name, address })).toArray(),
      PLAIN.map(({ name, address }) => ({ name, address })),
    ],
    'map to pairs': [
      (users) => users.map((user, key) => [key, [user]]).toArray(),
      USERS.map(([k, u]) => [k, [u]]),
    ],
    spread: [(users) => users.map((user) => ({ ...user, more: 1 })).toArray(), PLAIN.map((user) => ({ ...user, more: 1 }))], // prettier-ignore
    'Object.assign': [(users) => users.map((user) => Object.assign({}, user)).toArray(), PLAIN],
    'spread of an array': [
      (users) => users.map((user) => [...user.tags]).toArray(),
      PLAIN.map(({ tags }) => tags),
    ],
    'methods of arrays': [
      (users) => users.map((user) => user.tags.filter((tag) => tag.text !== 'a').concat(user.tags.slice(0, 1))).toArray(), // prettier-ignore
      PLAIN.map(({ tags }) => [tags[1], tags[0]]),
    ],
    'Object.values and entries': [
      (users) => users.map((user) => [Object.values(user), Object.entries(user)]).toArray(),
      PLAIN.map((user) => [Object.values(user), Object.entries(user)]),
    ],
    flatMap: [(users) => users.flatMap((user) => user.tags).toArray(), PLAIN.flatMap(({ tags }) => tags)],
    'flatMap of what was made': [
      (users) => users.flatMap((user) => user.tags.map((tag, at) => ({ at, tag }))).toArray(),
      PLAIN.flatMap(({ tags }) => tags.map((tag, at) => ({ at, tag }))),
    ],
    'flatMap of a generator': [
      (users) => users.flatMap(function* (user) { yield { tags: user.tags } }).toArray(), // prettier-ignore
      PLAIN.map(({ tags }) => ({ tags })),
    ],
    'reduce into groups': [
      (users) => users.reduce<Record<string, unknown[]>>((groups, user) => ((groups[user.city] ??= []).push(user), groups), {}), // prettier-ignore
      { London: [PLAIN[0], PLAIN[2]], Paris: [PLAIN[1]] },
    ],
    'reduce into an array': [
      (users) => users.reduce<unknown[]>((all, user) => [...all, user.address], []),
      PLAIN.map(({ address }) => address),
    ],
    'reduce without an initial value': [
      (users) => users.reduce((last, user) => (user.name > last.name ? user : last)),
      PLAIN[2],
    ],
    'reduce into a Map': [
      (users) => users.reduce((all, user, key) => all.set(key, { user }), new Map<string, unknown>()),
      new Map(USERS.map(([key, user]) => [key, { user }])),
    ],
    'groups of the query': [
      (users) => users.groupBy((user) => user.city),
      new Map([
        ['London', [PLAIN[0], PLAIN[2]]],
        ['Paris', [PLAIN[1]]],
      ]),
    ],
    'sorted and top': [
      (users) => [
        users.toSorted((a, b) => (a.name < b.name ? 1 : -1)),
        users.top(1, (user) => user.name),
        users.map((user) => ({ user })).top(1, ({ user }) => user.name),
      ],
      [[...PLAIN].reverse(), [PLAIN[2]], [{ user: PLAIN[2] }]],
    ],
    'entries, and what stands behind them': [
      (users) => [
        users.filter(() => true).entries().toArray(),
        [...users.take(1).entries().filter(([, user]) => user.name === 'Ada')],
        users.take(1).entries().map((pair) => ({ pair })).toArray(),
      ], // prettier-ignore
      [USERS, USERS.slice(0, 1), [{ pair: USERS[0] }]],
    ],
    'Dates and bytes': [
      (users) => [
        users.max((user) => user.seen),
        users.map(({ seen, bytes }) => ({ seen, bytes })).toArray(),
      ],
      [new Date(5), PLAIN.map(({ seen, bytes }) => ({ seen, bytes }))],
    ],
    'one and the same array each time': [
      (users) => {
        const all: unknown[] = []
        return users.map((user) => (all.push({ user }), { all })).toArray()
      },
      PLAIN.map(() => ({ all: PLAIN.map((user) => ({ user })) })),
    ],
    'without a prototype': [
      (users) => users.map((user) => Object.assign(Object.create(null) as AnyRoot, { user })).take(1).toArray(),
      [Object.assign(Object.create(null) as AnyRoot, { user: PLAIN[0] })],
    ], // prettier-ignore
    'with holes': [
      (users) => users.take(1).map((user) => { const list: unknown[] = []; list[5000] = user; list[2 ** 31] = user.tags; return list.slice(0, 5001) }).toArray(), // prettier-ignore
      [Object.assign([], { 5000: PLAIN[0] })],
    ],
    'a name like __proto__': [
      (users) => users.take(1).map((user) => Object.defineProperty({}, '__proto__', { value: user.address, writable: true, enumerable: true, configurable: true })).toArray(), // prettier-ignore
      [JSON.parse(`{ "__proto__": ${JSON.stringify(PLAIN[0]!.address)} }`)],
    ],
  }

  const conditions: Record<string, (store: Store, users: Users) => void> = {
    'packed entries': () => undefined,
    'entries with live views': (_, users) => {
      for (const [key] of USERS) {
        expect(users.live(key)?.address.floors.length).toBe(2)
      }
    },
    'in a transaction': () => undefined,
  }

  for (const [condition, prepare] of Object.entries(conditions)) {
    describe(condition, () => {
      test.each(Object.entries(ways))('%s', async (_, [run, expected]) => {
        const store = await stores.open()
        const users = fill(store)
        prepare(store, users)
        const give = (): unknown => run(users)
        const given = condition === 'in a transaction' ? store.transaction(give) : give()
        expectSame(given, expected)
        // No Proxy is in it: that is what this refuses.
        expectSame(structuredClone(given), structuredClone(expected))
        // It is the caller's own: no change of the store is seen in it.
        for (const [key] of USERS)
          users.patch(key, { name: 'other', address: { street: '', floors: [] }, tags: [] })
        store.root['x'] = 1
        users.clear()
        expectSame(given, expected)
        await store.close()
        expectSame(given, expected)
      })
    })
  }

  test('what comes out is the caller’s to change', async () => {
    const users = fill(await stores.open())
    const [card] = users.map(({ address }) => ({ address })).toArray() as unknown as {
      address: { floors: number[] }
    }[]
    card!.address.floors.push(3)
    expectSame(users.get('ada'), PLAIN[0])
  })

  test('what a callback made stays what it is', async () => {
    const users = fill(await stores.open())
    const groups: Record<string, unknown[]> = {}
    expect(users.reduce((all, user) => ((all[user.city] ??= []).push(user), all), groups)).toBe(groups)
    expectSame(groups, { London: [PLAIN[0], PLAIN[2]], Paris: [PLAIN[1]] })
    const constant = Object.freeze({ list: Object.freeze([1]) })
    expect(users.map(() => constant).toArray()).toEqual([constant, constant, constant])
    expect(users.map(() => constant).find(() => true)).toBe(constant)
    const set = users.reduce((all, user) => all.add(user.tags).add(1), new Set<unknown>([0]))
    expectSame([...set], [0, PLAIN[0]!.tags, 1, PLAIN[1]!.tags, PLAIN[2]!.tags])
    const keyed = users.reduce(
      (all, user, key) => all.set(user, key),
      new Map<unknown, string>([[0, 'first']]),
    )
    expectSame([...keyed], [[0, 'first'], ...USERS.map(([key, user]) => [user, key])])
  })

  test('a cycle ends', async () => {
    const users = fill(await stores.open())
    const [one] = users.map((user) => {
      const made: Record<string, unknown> = { user, inner: { list: [user] } }
      made['self'] = made
      ;(made['inner'] as AnyRoot)['outer'] = made
      return made
    }) as Iterable<AnyRoot>
    expect(one!['self']).toBe(one)
    expectSame(one!['inner'].list, [PLAIN[0]])
    expectSame(cloneable(one!['user']), PLAIN[0])
  })

  test('deep results do not end the stack', async () => {
    const users = fill(await stores.open())
    let depth = 0
    const [deep] = users.take(1).map((user) => {
      let at: AnyRoot = { user }
      for (let n = 0; n < 50_000; n++) at = { at }
      return at
    }) as Iterable<AnyRoot>
    let made = deep!
    for (; made['at'] !== undefined; made = made['at'] as AnyRoot) depth++
    expect(depth).toBe(50_000)
    expectSame(cloneable(made['user']), PLAIN[0])
  })

  test('instances: their members are made plain, and nothing beyond them is looked at', async () => {
    const users = fill(await stores.open())
    let asked = 0
    const socket = { get buffered() { return ++asked } } // prettier-ignore
    class Connected extends Card {
      readonly socket = { socket }
    }
    const cards = users.map((user) => new Connected(user)).toArray()
    expect(cards[0]).toBeInstanceOf(Card)
    expectSame(cloneable(cards.map(({ address }) => address)), PLAIN.map(({ address }) => address)) // prettier-ignore
    expect(asked).toBe(0)
    // What is hidden in one is kept as by any callback.
    users.delete('bob')
    const { message } = expectError(
      'ERR_FORKSTORE_DETACHED',
      () => (cards[0]!.kept as User['address']).street,
    )
    expect(message).toContain('copy(row)')
  })

  test('a row in something frozen is refused, with what to do', async () => {
    const users = fill(await stores.open())
    const makes: ((user: unknown) => unknown)[] = [
      (user: unknown) => Object.freeze({ user }),
      (user: unknown) => ({ list: Object.freeze([user]) }),
    ]
    for (const make of makes) {
      const error = expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => users.map(make).toArray())
      expect(error.message).toContain('copy(row)')
      const copied = users.map((user) => make(copy(user))).toArray()
      expectSame(structuredClone(copied[0]), structuredClone(make(PLAIN[0])))
    }
  })

  test('what a callback keeps aside says what to do, once the store has changed', async () => {
    const store = await stores.open()
    const users = fill(store)
    const keep = (): unknown[] => {
      const kept: unknown[] = []
      users.count((user) => kept.push(user, user.address, user.tags))
      return kept
    }
    const changes: (() => unknown)[] = [
      () => store.map('other').set('x', 1),
      () => (store.root['x'] = 1),
      () => users.live('ada'),
      () => users.patch('eve', { name: 'E' }),
      () => users.update('eve', (user) => user!),
      () => store.dropMap('other'),
      () => expect(() => store.transaction(() => { users.delete('bob'); throw new Error('back') })).toThrow('back'), // prettier-ignore
    ]
    for (const change of changes) {
      const kept = keep()
      const copies = kept.map((row) => copy(row as object))
      change()
      for (const row of kept as User[]) {
        for (const use of [
          () => (Array.isArray(row) ? (row as unknown[])[0] : row.name),
          () => Object.keys(row),
          () => JSON.stringify(row),
          () => ({ ...row }),
          () => copy(row),
          () => users.set('new', row),
          () => query(row as object).count(),
        ]) {
          const { message } = expectError('ERR_FORKSTORE_DETACHED', use)
          expect(message).toContain('copy(row)')
          expect(message).toMatch(/^users\["(ada|bob|eve)"\]/)
        }
      }
      expectSame(copies.slice(0, 3), [PLAIN[0], PLAIN[0]!.address, PLAIN[0]!.tags])
    }
  })

  test('rows that wait in a result while a callback writes say so, too', async () => {
    const store = await stores.open()
    const users = fill(store)
    const error = expectError('ERR_FORKSTORE_DETACHED', () =>
      users.reduce<unknown[]>((all, user, key) => {
        store.map<string, number>('seen').increment(key, 1, { initial: 0 })
        return [...all, { user }]
      }, []),
    )
    expect(error.message).toContain('copy(row)')
    const copied = users.reduce<unknown[]>((all, user, key) => {
      const row = copy(user)
      store.map<string, number>('seen').increment(key, 1, { initial: 0 })
      return [...all, { row }]
    }, [])
    expectSame(copied, PLAIN.map((row) => ({ row }))) // prettier-ignore
    // Where nothing waits, writing does no harm.
    const top = users
      .map(({ name }) => name)
      .top(2, (name, key) => {
        store.map<string, number>('seen').increment(key)
        return name
      })
    expect(top).toEqual(['Eve', 'Bob'])
  })

  test('of the tree: live views, wherever a callback has put them; copies on request', async () => {
    const store = await stores.open()
    const users = fill(store)
    store.root['users'] = Object.fromEntries(USERS)
    const rows = query(store.root['users'] as Record<string, User>)
    const cards = rows.map(({ name, address }) => ({ name, address })).toArray()
    const grouped = rows.groupBy((user) => user.city)
    const pairs = rows.entries().toArray()
    users.clear()
    cards[0]!.address.street = 'changed'
    expect(store.root['users'].ada.address.street).toBe('changed')
    expect(grouped.get('London')?.[0]).toBe(store.root['users'].ada)
    expect(pairs[1]).toEqual(['bob', USERS[1]![1]])
    expect(pairs[1]![1]).toBe(store.root['users'].bob)
    expect(rows.toSorted((a, b) => (a.name < b.name ? 1 : -1))[0]).toBe(store.root['users'].eve)
    expect(rows.top(1, (user) => user.name)[0]).toBe(store.root['users'].eve)
    expectSame(rows.drop(1).map(copy).toArray(), PLAIN.slice(1))
    expectSame(cloneable(rows.drop(1).map(({ address }) => ({ address: copy(address) })).toArray()), PLAIN.slice(1).map(({ address }) => ({ address }))) // prettier-ignore
  })

  test('of the tree: what its callbacks take from maps is plain', async () => {
    const store = await stores.open()
    const users = fill(store)
    store.root['keys'] = ['ada', 'eve']
    const rows = query(store.root['keys'] as string[]).map((key) => {
      let found: unknown
      users.some((user, name) => {
        if (name === key) found = { user }
        return name === key
      })
      return found
    })
    const given = rows.toArray()
    users.clear()
    expectSame(given, [{ user: PLAIN[0] }, { user: PLAIN[2] }])
  })
}
