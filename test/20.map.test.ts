import { describe, expectTypeOf, test } from 'vitest'
import type { ForkstoreMap, Key } from '../lib/index.js'
import { mapSuite } from './conformance/map.js'
import { engines, openEngine } from './support/engines.js'

describe.each(engines)('map (%s)', mapSuite)

test('types of maps', async () => {
  const store = await openEngine('js')
  const users = store.map<{ name: string; visits?: number }>('users')
  expectTypeOf(users).toEqualTypeOf<ForkstoreMap<{ name: string; visits?: number }, Key>>()
  expectTypeOf(users.patch).parameter(1).toEqualTypeOf<Partial<{ name: string; visits?: number }>>()
  expectTypeOf(users.increment).parameter(1).toEqualTypeOf<'name' | 'visits'>()
  expectTypeOf(store.map<number, string>('counts').keys()).toEqualTypeOf<MapIterator<string>>()
  expectTypeOf(store.map('any').get('a')).toEqualTypeOf<unknown>()
  const asMap: Map<Key, { name: string; visits?: number }> = users
  asMap.set('a', { name: 'Ada' })
  // @ts-expect-error: a key of another type
  store.map<number, string>('counts').set(1, 1)
  await store.close()
})
