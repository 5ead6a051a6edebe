import { describe, expect, expectTypeOf, test } from 'vitest'
import { copy, open, query, type AnyRoot, type Query, type Store } from '../lib/index.js'
import { treeObjectsLanguageSuite } from './conformance/tree-objects-language.js'
import { treeObjectsSuite } from './conformance/tree-objects.js'
import { engines } from './support/engines.js'

describe.each(engines)('tree: objects (%s)', treeObjectsSuite)
describe.each(engines)('tree: objects, as the language uses them (%s)', treeObjectsLanguageSuite)

interface Root {
  users: Record<string, { visits: number; nickname?: string; tags: string[] }>
  log: [at: number, text: string][]
  settings?: { dark: boolean }
}

test('types of the tree', async () => {
  const store = await open<Root>({ engine: 'js' })
  expectTypeOf(store).toEqualTypeOf<Store<Root>>()
  const { root } = store
  expectTypeOf(root).toEqualTypeOf<Partial<Root>>()
  root.users = { ada: { visits: 1, tags: ['x'] } }
  root.log = []
  expectTypeOf(root.settings).toEqualTypeOf<{ dark: boolean } | undefined>()
  expectTypeOf(root.users['ada']!.nickname).toEqualTypeOf<string | undefined>()
  expectTypeOf(root.users['ada']!.tags.pop()).toEqualTypeOf<string | undefined>()
  expectTypeOf(root.log.at(0)).toEqualTypeOf<[at: number, text: string] | undefined>()
  // @ts-expect-error: no such member
  root.nothing = 1
  // @ts-expect-error: a member of another type
  root.users['ada']!.visits = 'text'
  // @ts-expect-error: an item of another type
  root.log.push(5)
  // @ts-expect-error: the root itself is not assigned
  expect(() => (store.root = {} as Root)).toThrow(TypeError)

  expectTypeOf(copy(root.users)).toEqualTypeOf<Root['users']>()
  expectTypeOf(query(root.users)).toEqualTypeOf<Query<Root['users'][string], string>>()
  expectTypeOf(query(root.log)).toEqualTypeOf<Query<[at: number, text: string], number>>()
  expectTypeOf(
    query(root.users)
      .map((user) => user.tags)
      .toArray(),
  ).toEqualTypeOf<string[][]>()
  expectTypeOf(query(root.users).flatMap((user) => user.tags)).toEqualTypeOf<Query<string, string>>()
  expectTypeOf(query(root.users).reduce((sum, user) => sum + user.visits, 0)).toEqualTypeOf<number>()
  expectTypeOf(store.transaction(() => root.users!['ada'])).toEqualTypeOf<Root['users'][string] | undefined>()

  const users = store.map<string, { visits: number }>('users')
  expectTypeOf(users.live('ada')).toEqualTypeOf<{ visits: number } | undefined>()
  expectTypeOf(users.find((user, key) => user.visits > key.length)).toEqualTypeOf<
    { readonly visits: number } | undefined
  >()
  expectTypeOf(users.filter(() => true)).toEqualTypeOf<Query<{ readonly visits: number }, string>>()
  await store.close()

  const any = await open({ engine: 'js' })
  expectTypeOf(any.root).toEqualTypeOf<AnyRoot>()
  any.root['a'] = { b: [1] }
  expectTypeOf(any.root['a'].b[0]).toBeAny()
  await any.close()
})
