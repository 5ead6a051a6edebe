import { expectTypeOf } from 'vitest'
import type { ForkstoreMap, Key, Storable, Store, Value } from '../../lib/index.js'

/** Types of what can be stored. `npm run typecheck` compiles this: each line that must not compile says so. */

interface Address {
  city: string
  floors?: number[]
}

interface User {
  name: string
  age?: number
  address: Address
  former: readonly Address[]
  joined: Date
  key: Uint8Array
  big: bigint | null
  pair: [number, Address]
}

interface Tree {
  label: string
  children: Tree[]
  parent?: Tree
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

interface WithMethod {
  name: string
  greet(): string
}

class Account {
  balance = 0
  deposit(amount: number): void {
    this.balance += amount
  }
}

type Text = string & { readonly __brand: 'text' }
enum Level {
  low,
  high,
}
declare const tag: unique symbol

export function valuesOfMaps(store: Store): void {
  store.map<string, User>('a').set('a', {} as User)
  store.map<string, Tree>('a').set('a', { label: '', children: [] })
  store.map<string, Json>('a').set('a', [{ a: [null] }])
  store.map<string, Value>('a').set('a', {} as User)
  store.map<string, Address[]>('a')
  store.map<string, number | Date | Address | undefined>('a')
  store.map<string, Record<string, Address>>('a')
  store.map<string, Record<string, unknown>>('a')
  store.map<Text, Text>('a')
  store.map<string, Level>('a')
  store.map<string, Buffer>('a')
  store.map<string, readonly [number, string?]>('a')
  store.map<string, { kind: 'a'; a: 1 } | { kind: 'b'; b: Address }>('a')
  store.map<string, { [tag]: () => void; a: 1 }>('a') // symbols as names are left out
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is not told is not checked
  store.map<string, any>('a').set('a', () => 1)
  store.map<string, object>('a')

  // @ts-expect-error: a function
  store.map<string, () => void>('a')
  // @ts-expect-error: a class itself
  store.map<string, typeof Account>('a')
  // @ts-expect-error: an instance of one
  store.map<string, Account>('a')
  // @ts-expect-error: an object with a method
  store.map<string, WithMethod>('a')
  // @ts-expect-error: at any depth
  store.map<string, { a: { b?: WithMethod }[] }>('a')
  // @ts-expect-error: in a union
  store.map<string, number | { a: () => void }>('a')
  // @ts-expect-error: in a tuple
  store.map<string, [number, () => void]>('a')
  // @ts-expect-error: under any name
  store.map<string, Record<string, () => void>>('a')
  // @ts-expect-error: a symbol is no value
  store.map<string, symbol>('a')
  // @ts-expect-error: a Map, as yet
  store.map<string, Map<string, number>>('a')
  // @ts-expect-error: a Set, in an object
  store.map<string, { a: Set<string> }>('a')
  // @ts-expect-error: a promise
  store.map<string, Promise<number>>('a')
  // @ts-expect-error: a regular expression
  store.map<string, { a: RegExp }>('a')
  // @ts-expect-error: floats, as yet
  store.map<string, Float64Array>('a')
}

export function whatSetTakes(
  users: ForkstoreMap<string, User>,
  untold: ForkstoreMap<Key, unknown>,
  user: User,
  from: unknown,
): void {
  users.set('a', user).set('b', { ...user, age: 1 })
  // @ts-expect-error: no such field
  users.set('a', { ...user, aeg: 1 })
  // @ts-expect-error: a method in place of a text
  users.set('a', { ...user, name: () => '' })
  expectTypeOf(users).toExtend<Map<string, User>>()

  untold
    .set('a', user)
    .set('a', [user])
    .set('a', from)
    .set('a', JSON.parse('1'))
    .set('a', { a: { b: [1n] } })
  // @ts-expect-error: a function
  untold.set('a', () => 1)
  // @ts-expect-error: in an object
  untold.set('a', { a: [{ f() {} }] })
  // @ts-expect-error: an instance of a class
  untold.set('a', new Account())
  // @ts-expect-error: a symbol is no value
  untold.set('a', Symbol('a'))
  // @ts-expect-error: a Map, as yet
  untold.set('a', new Map())
}

export function whatAValueIs(user: User, account: Account): void {
  const values: Value[] = [user, [user], { user }, { a: [user] }, new Date(), new Uint8Array(), 1n, null]
  values.push(values, user satisfies Value, user satisfies Storable<User>)
  // @ts-expect-error: a function
  values.push(() => 1)
  // @ts-expect-error: within what is written down
  values.push({ a: { f() {} } })
  // @ts-expect-error: a class itself
  values.push(Account)
  // @ts-expect-error: a Map, as yet
  values.push(new Map<string, number>())
  // @ts-expect-error: a promise, in an array
  values.push([Promise.resolve(1)])
  // @ts-expect-error: a symbol is no value
  values.push(Symbol('a'))
  expectTypeOf(account).not.toExtend<Storable<Account>>()
  // @ts-expect-error: an object with a method
  void (account satisfies Storable<Account>)
}

export function genericFunctions(store: Store): void {
  const named = <V extends Storable<V>>(name: string): ForkstoreMap<string, V> => store.map<string, V>(name)
  expectTypeOf(named<User>('a')).toEqualTypeOf<ForkstoreMap<string, User>>()
  // @ts-expect-error: a function
  named<() => void>('a')
  // @ts-expect-error: V may be anything
  void (<V>(name: string) => store.map<string, V>(name))
}
