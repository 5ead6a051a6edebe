import { expectTypeOf } from 'vitest'
import type { AnyMap, ForkstoreMap, IncrementOptions, Key, Store } from '../../lib/index.js'
import type { AnyMap as AnyJsMap, IncrementOptions as JsIncrementOptions } from '../../lib/js.js'

/** Types of maps. `npm run typecheck` compiles this: each line that must not compile says so. */

interface User {
  name: string
  visits: number
  age?: number
  nick?: string | undefined
  score: number | undefined
  note: string | null
  any: unknown
  tags: string[]
}

type Shape = { kind: 'circle'; r: number } | { kind: 'square'; side: number }

export function orderOfParameters(store: Store): void {
  const users = store.map<string, User>('users')
  expectTypeOf(users).toEqualTypeOf<ForkstoreMap<string, User>>()
  expectTypeOf(store.map('any')).toEqualTypeOf<ForkstoreMap<Key, unknown>>()
  const byUse: ForkstoreMap<number, User> = store.map('users')
  const asMap: Map<string, User> = users
  expectTypeOf([byUse.get(1), asMap.get('a')]).toEqualTypeOf<(User | undefined)[]>()

  // @ts-expect-error: the type of the values alone
  store.map<User>('users')
  // @ts-expect-error: the type of the keys alone, which was once that of the values
  store.map<string>('users')
  // @ts-expect-error: the order of before
  store.map<User, string>('users')
  // @ts-expect-error: one of the two alone
  expectTypeOf<ForkstoreMap<string>>()
  // @ts-expect-error: the order of before
  expectTypeOf<ForkstoreMap<User, string>>()
  // @ts-expect-error: a key of another type
  users.get(1)
}

export function whatGetReturnsIsTheCallersOwn(users: ForkstoreMap<string, User>): void {
  const user = users.get('ada')!
  user.visits++
  user.tags.push('x')
  for (const value of users.values()) value.tags.push('x')
  users.forEach((value) => value.visits++)
  users.live('ada')!.tags.push('x')
  users.update('ada', (before) => {
    expectTypeOf(before).toEqualTypeOf<User | undefined>()
    before!.tags.push('x')
    return before!
  }).visits++
  // @ts-expect-error: what is returned is stored
  users.update('ada', () => 1)
  // @ts-expect-error: a return that was forgotten
  users.update('ada', (before) => void before!.visits++)
}

export function incrementTakesNumbers(
  users: ForkstoreMap<string, User>,
  counts: ForkstoreMap<string, number>,
  untold: ForkstoreMap<Key, unknown>,
  texts: ForkstoreMap<string, string>,
  lists: ForkstoreMap<string, number[]>,
  dates: ForkstoreMap<string, Date>,
  both: ForkstoreMap<string, number | User>,
  records: ForkstoreMap<string, Record<string, number>>,
  shapes: ForkstoreMap<string, Shape>,
  initial: User,
): void {
  expectTypeOf(users.increment).parameter(1).toEqualTypeOf<'visits' | 'age' | 'score' | 'any'>()
  expectTypeOf(users.increment('ada', 'visits')).toEqualTypeOf<number>()
  users.increment('ada', 'age', 2, { initial })
  // @ts-expect-error: a text is no number
  users.increment('ada', 'name')
  // @ts-expect-error: a text, or none
  users.increment('ada', 'nick')
  // @ts-expect-error: an array
  users.increment('ada', 'tags')
  // @ts-expect-error: null is no number
  users.increment('ada', 'note')
  // @ts-expect-error: no such field
  users.increment('ada', 'vists')
  // @ts-expect-error: the entry is no number
  users.increment('ada')
  // @ts-expect-error: the entry is no number
  users.increment('ada', 1)
  // @ts-expect-error: not the whole entry
  users.increment('ada', 'visits', 1, { initial: { name: 'Ada' } })

  counts.increment('a')
  counts.increment('a', 2)
  counts.increment('a', undefined, { initial: 0 })
  // @ts-expect-error: it has no fields
  counts.increment('a', 'n')
  // @ts-expect-error: what it begins with is a number
  counts.increment('a', 1, { initial: '0' })

  untold.increment('a')
  untold.increment('a', 1, { initial: 0 })
  untold.increment('a', 'n', 1, { initial: {} })
  // @ts-expect-error: neither an amount nor a field
  untold.increment('a', {})

  // @ts-expect-error: texts have no numbers
  texts.increment('a')
  // @ts-expect-error: nor have arrays fields
  lists.increment('a', 'length')
  // @ts-expect-error: nor dates
  dates.increment('a')
  both.increment('a', 1)
  both.increment('a', 'visits')
  records.increment('a', 'any')
  shapes.increment('a', 'r')
  // @ts-expect-error: a text in both
  shapes.increment('a', 'kind')
}

export function patchRemovesWhatMayBeMissing(
  users: ForkstoreMap<string, User>,
  untold: ForkstoreMap<Key, unknown>,
  records: ForkstoreMap<string, Record<string, number>>,
): void {
  users.patch('ada', { name: 'Ada' }, { remove: ['age', 'nick'] })
  // @ts-expect-error: each user has a name
  users.patch('ada', {}, { remove: ['name'] })
  // @ts-expect-error: it is there, and may be undefined
  users.patch('ada', {}, { remove: ['score'] })
  // @ts-expect-error: no such field
  users.patch('ada', {}, { remove: ['nickname'] })
  // @ts-expect-error: a text is no number
  users.patch('ada', { visits: '1' })
  untold.patch('a', { any: 1 }, { remove: ['thing'] })
  records.patch('a', { n: 1 }, { remove: ['m'] })
}

export function eachIsAMapOfWhatever(
  users: ForkstoreMap<string, User>,
  counts: ForkstoreMap<Key, number>,
): void {
  // So that a function can take what `store.maps()` gives, and any other.
  const sizes = (...maps: ForkstoreMap<Key, unknown>[]): number[] => maps.map(({ size }) => size)
  sizes(users, counts)
  // @ts-expect-error: a number has no fields
  counts.patch('a', {})
}

export function mapsOfAStore(store: Store): void {
  for (const map of store.maps()) {
    expectTypeOf(map).toEqualTypeOf<ForkstoreMap<Key, unknown>>()
    expectTypeOf([map.name, map.size]).toEqualTypeOf<(string | number)[]>()
    // @ts-expect-error: a map has one name
    map.name = 'other'
  }
}

export function typesOfSignaturesHaveNames(
  store: Store,
  users: ForkstoreMap<string, { visits: number }>,
): void {
  for (const map of store.maps()) expectTypeOf(map).toEqualTypeOf<AnyMap>()
  expectTypeOf<AnyMap>().toEqualTypeOf<AnyJsMap>()
  expectTypeOf<AnyMap>().toEqualTypeOf<ForkstoreMap<Key, unknown>>()
  const options: IncrementOptions<{ visits: number }> = { initial: { visits: 1 } }
  users.increment('ada', 'visits', 1, options)
  expectTypeOf<IncrementOptions<number>>().toEqualTypeOf<JsIncrementOptions<number>>()
  // @ts-expect-error: no such option
  users.increment('ada', 'visits', 1, { inital: { visits: 1 } })
}
