import { expectTypeOf } from 'vitest'
import { query } from '../../lib/index.js'
import type { AnyRoot, DeepReadonly, ForkstoreMap, Key, Query } from '../../lib/index.js'

/** Types of queries. `npm run typecheck` compiles this: each line that must not compile says so. */

interface User {
  name: string
  visits: number
  joined: Date
  address: { city: string; floors: number[] }
  tags: { text: string }[]
  pair: [number, { n: number }]
  bytes: Uint8Array
  maybe?: { n: number }
}

export function rowsOfMapsAreReadOnly(users: ForkstoreMap<string, User>): void {
  users.forEach((user) => user.visits++) // a copy, as of Map
  users
    .filter(() => true)
    .forEach((user, key) => {
      expectTypeOf(key).toEqualTypeOf<string>()
      // @ts-expect-error: writing to a row is lost
      user.visits++
      // @ts-expect-error: at every depth
      user.address.city = ''
      // @ts-expect-error: in arrays
      user.address.floors.push(1)
      // @ts-expect-error: and in what they hold
      user.tags[0]!.text = ''
      // @ts-expect-error: also of a fixed length
      user.pair[1].n = 1
      // @ts-expect-error: and where it may be missing
      user.maybe!.n = 1
      // @ts-expect-error: nor can anything be taken out
      delete user.maybe
      expectTypeOf(user.joined).toEqualTypeOf<Date>()
      expectTypeOf(user.bytes).toEqualTypeOf<Uint8Array>()
      expectTypeOf(user.address.floors).toEqualTypeOf<readonly number[]>()
      expectTypeOf(user.pair).toEqualTypeOf<readonly [number, { readonly n: number }]>()
    })

  // So are those that come out: a change of one is none of the store's.
  const found = users.find((user) => user.visits > 1)
  expectTypeOf(found).toEqualTypeOf<DeepReadonly<User> | undefined>()
  // @ts-expect-error: it is read only
  found!.visits++
  for (const user of users.take(1)) {
    // @ts-expect-error: it is read only
    user.address.city = ''
  }
  const [first] = users.toSorted((one, other) => one.visits - other.visits)
  // @ts-expect-error: it is read only
  first!.tags.pop()
  expectTypeOf(users.groupBy((user) => user.address.city)).toEqualTypeOf<Map<string, DeepReadonly<User>[]>>()
  expectTypeOf(users.top(3, (user) => user.visits)).toEqualTypeOf<DeepReadonly<User>[]>()
  expectTypeOf(users.filter(() => true).entries()).toEqualTypeOf<
    Query<[string, DeepReadonly<User>], string>
  >()
  expectTypeOf(users.filter(() => true).keys()).toEqualTypeOf<Query<string, string>>()

  // What a callback makes is its own.
  const cards = users.map(({ name }) => ({ name })).toArray()
  cards[0]!.name = 'other'
}

export function extremes(users: ForkstoreMap<string, User>, counts: ForkstoreMap<Key, number>): void {
  expectTypeOf(users.sum((user) => user.visits)).toEqualTypeOf<number>()
  expectTypeOf(users.sum((user) => user.maybe?.n)).toEqualTypeOf<number>()
  expectTypeOf(users.max((user) => user.visits)).toEqualTypeOf<number | undefined>()
  expectTypeOf(users.min((user) => user.joined)).toEqualTypeOf<Date | undefined>()
  expectTypeOf(users.max((user) => user.name)).toEqualTypeOf<string | undefined>()
  expectTypeOf(counts.sum()).toEqualTypeOf<number>()
  expectTypeOf(counts.max()).toEqualTypeOf<number | undefined>()
  expectTypeOf(counts.top(2)).toEqualTypeOf<number[]>()
  // @ts-expect-error: users are no numbers
  users.sum()
  // @ts-expect-error: nor can they be compared
  users.max()
  // @ts-expect-error: nor put into an order
  users.top(2)
  // @ts-expect-error: texts cannot be added up
  users.sum((user) => user.name)
  // @ts-expect-error: objects cannot be compared
  users.max((user) => user.address)
}

export function rowsOfTheTreeAreLive(root: { users: Record<string, User>; list: User[] }): void {
  query(root.users).forEach((user) => user.visits++)
  query(root.list)
    .find(() => true)!
    .tags.push({ text: 'x' })
  expectTypeOf(query(root.list).entries()).toEqualTypeOf<Query<[number, User], number>>()
  expectTypeOf(
    query(root.users)
      .groupBy((user) => user.name)
      .get('a'),
  ).toEqualTypeOf<User[] | undefined>()
}

export function untold(map: ForkstoreMap<Key, unknown>, any: ForkstoreMap<Key, AnyRoot>): void {
  expectTypeOf(map.find(() => true)).toEqualTypeOf<unknown>()
  expectTypeOf(any.find(() => true)!['a']).toBeAny()
}
