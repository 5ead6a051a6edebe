import { describe, expectTypeOf, test } from 'vitest'
import type { ForkstoreMap, Key } from '../lib/index.js'
import { mapSuite } from './conformance/map.js'
import { engines, openEngine } from './support/engines.js'
import { expectError } from './support/expect.js'

describe.each(engines)('map (%s)', mapSuite)

test('types of maps', async () => {
  const store = await openEngine('js')
  const users = store.map<Key, { name: string; visits?: number }>('users')
  expectTypeOf(users).toEqualTypeOf<ForkstoreMap<Key, { name: string; visits?: number }>>()
  expectTypeOf(users.patch).parameter(1).toEqualTypeOf<Partial<{ name: string; visits?: number }>>()
  expectTypeOf(users.increment).parameter(1).toEqualTypeOf<'visits'>()
  expectTypeOf(store.map<string, number>('counts').keys()).toEqualTypeOf<MapIterator<string>>()
  const any = store.map('any')
  expectTypeOf(any.increment).parameter(1).toEqualTypeOf<string | number | undefined>()
  expectTypeOf(any.patch).parameter(1).toEqualTypeOf<Record<string, unknown>>()
  // @ts-expect-error: no such field
  expectError('ERR_FORKSTORE_NOT_FOUND', () => users.increment('nobody', 'vistis'))
  expectTypeOf(store.map('any').get('a')).toEqualTypeOf<unknown>()
  const asMap: Map<Key, { name: string; visits?: number }> = users
  asMap.set('a', { name: 'Ada' })
  // @ts-expect-error: a key of another type
  store.map<string, number>('counts').set(1, 1)
  await store.close()
})
