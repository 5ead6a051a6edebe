import { expectTypeOf } from 'vitest'
import { open } from '../../lib/index.js'
import type { AnyRoot, Store, Synchronous } from '../../lib/index.js'

/** Types of stores. `npm run typecheck` compiles this: each line that must not compile says so. */

interface User {
  name: string
  age?: number
}

interface Root {
  users: Record<string, User>
  visits: number
  settings?: { dark: boolean }
}

export async function membersOfTheRootMayBeMissing(): Promise<void> {
  const store = await open<Root>('./data')
  expectTypeOf(store).toEqualTypeOf<Store<Root>>()
  const { root } = store
  expectTypeOf(root.users).toEqualTypeOf<Record<string, User> | undefined>()
  // @ts-expect-error: a first open has none
  root.users['ada'] = { name: 'Ada' }
  // @ts-expect-error: nor a number to add to
  root.visits++
  root.users ??= {}
  root.visits ??= 0
  root.visits++
  root.users['ada'] = { name: 'Ada' }
  // @ts-expect-error: below, members are as declared
  root.users['bob'] = { age: 1 }
  delete root.settings
  delete root.visits
  // @ts-expect-error: a member of another type
  root.visits = 'many'
  // @ts-expect-error: no such member
  root.vists = 1
  // @ts-expect-error: what cannot be stored
  root.users['eve'] = { name: () => 'Eve' }

  // @ts-expect-error: a member that cannot be stored
  await open<{ close: () => void }>('./data')
  // @ts-expect-error: nor in a map
  await open<{ users: Record<string, { greet(): string }> }>()
  expectTypeOf((await open()).root).toEqualTypeOf<Partial<AnyRoot>>()
  expectTypeOf((await open()).root['users']).toBeAny()
}

export function transactionsDoNotWait(
  store: Store,
  given: { untold: unknown; then: { then: string } },
): void {
  expectTypeOf(store.transaction(() => 1 + 1)).toEqualTypeOf<number>()
  expectTypeOf(store.transaction(() => ({ name: 'Ada' }))).toEqualTypeOf<{ name: string }>()
  expectTypeOf(store.transaction(() => undefined)).toEqualTypeOf<undefined>()
  store.transaction((): void => undefined)
  expectTypeOf(store.transaction((): User | undefined => undefined)).toEqualTypeOf<User | undefined>()
  expectTypeOf(store.transaction(() => given.untold)).toEqualTypeOf<unknown>()
  expectTypeOf(store.transaction(() => JSON.parse('1'))).toBeAny()
  expectTypeOf(store.transaction<number>(() => 1)).toEqualTypeOf<number>()
  expectTypeOf(store.transaction(() => given.then)).toEqualTypeOf<{ then: string }>()
  const refuse = (): void => {
    expectTypeOf(
      store.transaction(() => {
        throw new Error('no')
      }),
    ).toBeNever()
  }
  refuse()

  // @ts-expect-error: an async function
  store.transaction(async () => 1)
  // @ts-expect-error: one that returns nothing
  store.transaction(async () => {})
  // @ts-expect-error: a promise
  store.transaction(() => store.commit())
  // @ts-expect-error: one that is not always there
  store.transaction(() => (given.untold ? Promise.resolve(1) : undefined))
  // @ts-expect-error: what is awaited like a promise
  store.transaction(() => ({ then: (resolve: (value: number) => void) => resolve(1) }))
  // @ts-expect-error: also where the result is told
  store.transaction<Promise<void>>(() => store.commit())

  const handedOn = <Result>(change: () => Synchronous<Result>): Result => store.transaction(change)
  expectTypeOf(handedOn(() => 1)).toEqualTypeOf<number>()
  // @ts-expect-error: it is declared to refuse them, too
  handedOn(async () => 1)
}
