import { expect, test } from 'vitest'
import type { ForkstoreErrorCode, ForkstoreMap, Key } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectSame, expectEntries, expectError } from '../support/expect.js'
import { storable } from '../support/samples.js'
import { Stores } from '../support/stores.js'

type Fields = Record<string, unknown>

/** patch and increment. */
export function patchSuite(engine: EngineName): void {
  const stores = new Stores(engine)
  const makeMap = async (value: unknown): Promise<ForkstoreMap<Key, Fields>> => {
    const map = (await stores.open()).map<Key, Fields>('users')
    return map.set('a', value as Fields)
  }

  test('patch replaces some fields and adds others at the end', async () => {
    const map = await makeMap({ id: 1, name: 'Ada Lovelace', tags: ['x'] })
    expect(map.patch('a', { name: 'Countess of Lovelace', visits: 3 })).toBe(map)
    expectSame(map.get('a'), { id: 1, name: 'Countess of Lovelace', tags: ['x'], visits: 3 })
    expectSame(Object.keys(map.get('a')!), ['id', 'name', 'tags', 'visits'])
  })

  test('patch keeps the place of the entry', async () => {
    const map = await makeMap({ n: 1 })
    map.set('b', { n: 2 }).patch('a', { grown: 'x'.repeat(5000) })
    expectSame([...map.keys()], ['a', 'b'])
  })

  test('patch copies', async () => {
    const map = await makeMap({})
    const list = [1]
    map.patch('a', { list })
    list.push(2)
    expectSame(map.get('a'), { list: [1] })
  })

  test('patch with nothing changes nothing', async () => {
    const map = await makeMap({ n: 1 })
    map.patch('a', {})
    expectSame(map.get('a'), { n: 1 })
  })

  test('patch with undefined stores undefined', async () => {
    const map = await makeMap({ n: 1, m: 2 })
    map.patch('a', { n: undefined, k: undefined })
    expectSame(map.get('a'), { n: undefined, m: 2, k: undefined })
  })

  test.each(storable)('patch with: $name', async (sample) => {
    const expected = 'stored' in sample ? sample.stored : sample.value
    const map = await makeMap({ before: 'some text before', field: 1, after: ['some', 'text', 'after'] })
    map.patch('a', { field: sample.value, added: [sample.value] })
    const all = {
      before: 'some text before',
      field: expected,
      after: ['some', 'text', 'after'],
      added: [expected],
    }
    expectSame(map.get('a'), all)
    map.patch('a', { field: 1, before: sample.value, added: 0 })
    expectSame(map.get('a'), { ...all, before: expected, field: 1, added: 0 })
  })

  test('patch grows an object past the limit of a shape', async () => {
    const map = await makeMap({})
    const expected: Fields = {}
    for (let index = 0; index < 200; index++) {
      const fields = { [`field${index}`]: index, [`text${index}`]: `some text ${index}` }
      Object.assign(expected, fields)
      map.patch('a', fields)
    }
    expectSame(map.get('a'), expected)
    map.patch('a', { field150: 'changed', ['n'.repeat(300)]: 1 })
    expectSame(map.get('a'), { ...expected, field150: 'changed', ['n'.repeat(300)]: 1 })
    map.increment('a', 'field10', 5)
    expectSame(map.get('a')!['field10'], 15)
  })

  test('patch and the field __proto__', async () => {
    const map = await makeMap({ n: 1 })
    map.patch('a', JSON.parse('{"__proto__": 5}') as Fields)
    expect(Object.getOwnPropertyDescriptor(map.get('a'), '__proto__')?.value).toBe(5)
    expect(map.increment('a', '__proto__', 2)).toBe(7)
    expect(Object.getOwnPropertyDescriptor(map.get('a'), '__proto__')?.value).toBe(7)
  })

  test('patch changes nothing when one of the fields is refused', async () => {
    const map = await makeMap({ a: 1, b: 2 })
    const error = expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => map.patch('a', { a: 5, c: [() => 1] }))
    expect(error.message).toBe('users["a"].c[0]: a function cannot be stored')
    expectSame(map.get('a'), { a: 1, b: 2 })
  })

  test('a getter of the fields may change the entry', async () => {
    const map = await makeMap({ a: 1 })
    map.patch('a', {
      get b() {
        map.patch('a', { c: 'by the getter' })
        return 2
      },
    })
    expectSame(map.get('a'), { a: 1, c: 'by the getter', b: 2 })
    const deleting = () => map.patch('a', { get b() { map.delete('a'); return 2 } }) // prettier-ignore
    expectError('ERR_FORKSTORE_NOT_FOUND', deleting)
    expect(map.size).toBe(0)
  })

  test('patch and increment need the key', async () => {
    const map = await makeMap({ n: 1 })
    const message = expectError('ERR_FORKSTORE_NOT_FOUND', () => map.patch('nobody', { n: 1 })).message
    expect(message).toContain('users["nobody"]')
    expectError('ERR_FORKSTORE_NOT_FOUND', () => map.increment('nobody', 'n'))
    expectEntries(map as never, [['a', { n: 1 }]])
  })

  test('a patch that is refused for its key or value writes nothing at all', async () => {
    const store = await stores.open()
    const map = store
      .map<Key, unknown>('users')
      .set('text', 'some text')
      .set('wide', { ['n'.repeat(300)]: 1 })
    const { writes } = store.stats()
    for (let index = 0; index < 20; index++) {
      const fields = { [`new field ${index}`]: { [`inner ${index}`]: 1 } }
      expectError('ERR_FORKSTORE_NOT_FOUND', () => map.patch('nobody', fields))
      expectError('ERR_FORKSTORE_NOT_FOUND', () => map.patch(5, fields))
      expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.patch('text', fields))
      expectError('ERR_FORKSTORE_NOT_FOUND', () => map.patch('nobody', { f: () => 1 }))
    }
    expect(store.stats().writes).toBe(writes)
    map.patch('wide', { n: 1 })
    expectSame(map.get('wide'), { ['n'.repeat(300)]: 1, n: 1 })
  })

  test('refusals name the entry, and the field where it is one', async () => {
    const map = (await stores.open()).map<Key, unknown>('m').set('i3', { x: 'text' }).set(4, 'text')
    const message = (code: ForkstoreErrorCode, run: () => unknown): string => expectError(code, run).message
    expect(message('ERR_FORKSTORE_WRONG_TYPE', () => map.increment('i3', 'x'))).toBe(
      'm["i3"].x: only a number can be incremented',
    )
    for (const run of [() => map.increment(4, 'x'), () => map.patch(4, {})]) {
      expect(message('ERR_FORKSTORE_WRONG_TYPE', run)).toBe('m[4]: only a plain object has fields')
    }
    for (const run of [() => map.increment(5n, 'x'), () => map.patch(5n, {})]) {
      expect(message('ERR_FORKSTORE_NOT_FOUND', run)).toBe('m[5n] is not there')
    }
  })

  test('patch and increment need a plain object', async () => {
    const map = await makeMap({})
    for (const value of [
      null,
      undefined,
      1,
      'text',
      'a longer text',
      5n,
      [1, 2],
      [{ n: 1 }],
      new Date(1),
      Buffer.from('x'),
    ]) {
      map.set('a', value as never)
      expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.patch('a', { n: 1 }))
      expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.patch('a', {}))
      expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.increment('a', 'length'))
      expectEntries(map as never, [['a', value]])
    }
  })

  test('increment adds', async () => {
    const map = await makeMap({ n: 1, f: 0.5 })
    expect(map.increment('a', 'n')).toBe(2)
    expect(map.increment('a', 'n', 40)).toBe(42)
    expect(map.increment('a', 'n', -50)).toBe(-8)
    expect(map.increment('a', 'f', 0.25)).toBe(0.75)
    expectSame(map.get('a'), { n: -8, f: 0.75 })
  })

  test('increment leaves the integers and comes back', async () => {
    const map = await makeMap({ n: 2 ** 31 - 1 })
    expect(map.increment('a', 'n')).toBe(2 ** 31)
    expect(map.increment('a', 'n', -1)).toBe(2 ** 31 - 1)
    expect(map.increment('a', 'n', 2 ** 53)).toBe(2 ** 31 - 1 + 2 ** 53)
    expect(map.increment('a', 'n', Infinity)).toBe(Infinity)
    expect(map.increment('a', 'n', -Infinity)).toBe(NaN)
    expect(map.increment('a', 'n', 1)).toBe(NaN)
    expectSame(map.get('a'), { n: NaN })
    map.patch('a', { n: -0 })
    expect(map.increment('a', 'n', -0)).toBe(-0)
    expectSame(map.get('a'), { n: -0 })
    map.patch('a', { n: -(2 ** 31) })
    expect(map.increment('a', 'n', -1)).toBe(-(2 ** 31) - 1)
  })

  test('increment takes a missing or undefined field for 0', async () => {
    const map = await makeMap({ first: 'x', u: undefined })
    expect(map.increment('a', 'n')).toBe(1)
    expect(map.increment('a', 'u', 2)).toBe(2)
    expect(map.increment('a', 'toString', 3)).toBe(3) // no field of its own
    expect(map.increment('a', '', 4)).toBe(4)
    expect(map.increment('a', 'Ωμέγα', 5)).toBe(5)
    expect(map.increment('a', 'l'.repeat(300), 6)).toBe(6)
    expectSame(map.get('a'), {
      first: 'x',
      u: 2,
      n: 1,
      toString: 3,
      '': 4,
      Ωμέγα: 5,
      ['l'.repeat(300)]: 6,
    })
  })

  test('increment refuses a field that is no number', async () => {
    const fields = { s: '1', z: null, b: true, i: 1n, o: {}, l: [1], d: new Date(1) }
    const map = await makeMap(fields)
    for (const field of Object.keys(fields)) {
      expectError('ERR_FORKSTORE_WRONG_TYPE', () => map.increment('a', field))
    }
    expectSame(map.get('a'), fields)
  })

  test('patch and increment touch the outermost object only', async () => {
    const map = await makeMap({ n: 1, deep: { n: 1, m: 2 } })
    map.patch('a', { deep: { n: 5 } })
    map.increment('a', 'n')
    expectSame(map.get('a'), { n: 2, deep: { n: 5 } })
  })
}
