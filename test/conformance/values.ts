import { describe, expect, test } from 'vitest'
import type { EngineName } from '../support/engines.js'
import { expectSame, expectEntries, expectError } from '../support/expect.js'
import { refused, storable } from '../support/samples.js'
import { Stores } from '../support/stores.js'

const expectedOf = (sample: (typeof storable)[number]): unknown =>
  'stored' in sample ? sample.stored : sample.value

/** Depth that recursion would not survive. */
const DEEP = 100_000

export function deepValue(depth: number): unknown {
  let value: unknown = 'the bottom'
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { below: value, level }
  return value
}

export function expectDeepValue(value: unknown, depth: number): void {
  let at = value
  for (let level = depth - 1; level >= 0; level--) {
    if (level % 2 === 0) {
      if (!Array.isArray(at) || at.length !== 1) expect.fail(`no array at level ${level}`)
      at = at[0]
    } else {
      const object = at as { below: unknown; level: unknown }
      if (object.level !== level) expect.fail(`level ${level} is ${String(object.level)}`)
      at = object.below
    }
  }
  expect(at).toBe('the bottom')
}

/** Every kind of value goes in and comes out, alone and nested; everything else is refused with its path. */
export function valuesSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  test.each(storable)('stored: $name', async (sample) => {
    const map = (await stores.open()).map('values')
    const expected = expectedOf(sample)
    map.set('alone', sample.value)
    expectSame(map.get('alone'), expected)
    map.set('nested', { before: 'text before', here: sample.value, list: [sample.value, 1, sample.value] })
    const nested = { before: 'text before', here: expected, list: [expected, 1, expected] }
    expectSame(map.get('nested'), nested)
    map.set('alone', 'something shorter').set('alone', sample.value)
    expectSame(map.get('alone'), expected)
    expectEntries(map, [['alone', expected], ['nested', nested]]) // prettier-ignore
  })

  test('all of them together, in one map and in one value', async () => {
    const map = (await stores.open()).map('values')
    const whole = storable.map(expectedOf)
    storable.forEach((sample, index) => map.set(index, sample.value))
    map.set(
      'whole',
      storable.map((sample) => sample.value),
    )
    expectSame(map.get('whole'), whole)
    expectEntries(map, [...whole.map((value, index): [unknown, unknown] => [index, value]), ['whole', whole]])
  })

  test(`nesting ${DEEP} deep`, async () => {
    const map = (await stores.open()).map('values')
    map.set('deep', deepValue(DEEP)).set('after', 1)
    expectDeepValue(map.get('deep'), DEEP)
    expect(map.get('after')).toBe(1)
  })

  test('a function far down is refused without recursion', async () => {
    const map = (await stores.open()).map('values')
    let value: unknown = () => 1
    for (let level = 0; level < DEEP; level++) value = level % 2 === 0 ? [value] : { below: value }
    const error = expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => map.set('deep', value))
    expect(error.message).toMatch(/^values\["deep"\]\.below\[0\]\.below.*: a function cannot be stored$/)
    expect(error.message.length).toBeLessThan(500)
    expect(map.size).toBe(0)
  })

  describe('kinds of bytes', () => {
    test('stay what they are, and stand on their own', async () => {
      const map = (await stores.open()).map('values')
      map
        .set('u', Uint8Array.of(1, 2))
        .set('b', Buffer.from([1, 2]))
        .set('both', [Buffer.from('x'), Uint8Array.of(1)])
      const bytes = map.get('u') as Uint8Array
      expect(Buffer.isBuffer(bytes)).toBe(false)
      expect(bytes.constructor).toBe(Uint8Array)
      expect(Buffer.isBuffer(map.get('b'))).toBe(true)
      bytes.fill(9)
      expectSame(map.get('u'), Uint8Array.of(1, 2))
      structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
      expectSame(map.get('u'), Uint8Array.of(1, 2))
    })
  })

  test('bytes are as many as there are, whatever their `length` says', async () => {
    const map = (await stores.open()).map('values')
    class Liar extends Uint8Array {
      override get length(): number {
        return 1000
      }
    }
    map.set('secret', Buffer.alloc(5000, 'secret'))
    for (const length of [0, 2, 4000, 2 ** 31, -1, NaN, 'x']) {
      const own = (bytes: Uint8Array): Uint8Array => Object.defineProperty(bytes, 'length', { value: length })
      map.set('u', own(Uint8Array.of(1, 2, 3))).set('b', [own(Buffer.from([1, 2, 3]))])
      expectSame(map.get('u'), Uint8Array.of(1, 2, 3))
      expectSame(map.get('b'), [Buffer.from([1, 2, 3])])
      const gone = own(Uint8Array.of(1))
      structuredClone(gone.buffer, { transfer: [gone.buffer as ArrayBuffer] })
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => map.set('u', gone))
    }
    map.set('u', new Liar([7, 8]))
    expectSame(map.get('u'), Uint8Array.of(7, 8))
  })

  test('of an array, its items and nothing else', async () => {
    const map = (await stores.open()).map('values')
    map.set('a', Object.assign([1, , 3], { extra: 2, [-1]: 0 })) // prettier-ignore
    expectSame(map.get('a'), [1, , 3]) // prettier-ignore
  })

  test('objects come back plain and ordinary', async () => {
    const map = (await stores.open()).map('values')
    map.set('a', Object.freeze({ b: 1, c: Object.seal([1]) }))
    const got = map.get('a') as Record<string, unknown>
    got['b'] = 2
    got['new'] = 3
    delete got['c']
    expectSame(got, { b: 2, new: 3 })
    expect(Object.getPrototypeOf(got)).toBe(Object.prototype)
  })

  test('a field called __proto__ is a field', async () => {
    const map = (await stores.open()).map('values')
    map.set('a', JSON.parse('{"__proto__": {"polluted": true}, "b": 1}'))
    const got = map.get('a') as Record<string, unknown>
    expect(Object.getPrototypeOf(got)).toBe(Object.prototype)
    expect(got['polluted']).toBe(undefined)
    expectSame(Object.keys(got), ['__proto__', 'b'])
    expectSame(Object.getOwnPropertyDescriptor(got, '__proto__')?.value, { polluted: true })
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined)
  })

  test.each(refused)('refused: $name', async ({ value, says }) => {
    const store = await stores.open()
    const map = store.map<string, unknown>('users')
    map.set('a@b', { before: true })
    for (const write of [
      () => map.set('a@b', value),
      () => map.set('new', value),
      () => map.getOrInsert('new', value),
      () => map.getOrInsertComputed('new', () => value),
    ]) {
      const { message } = expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', write)
      expect(message).toMatch(/^users\["(a@b|new)"\]/)
      if (!says.startsWith(': a value')) expect(message.replace(/^users\["(a@b|new)"\]/, '')).toBe(says)
      else expect(message).toMatch(/: a value that contains itself cannot be stored$/)
    }
    const { message } = expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () =>
      map.patch('a@b', { before: 0, f: value }),
    )
    expect(message).toMatch(/^users\["a@b"\]\.f/)
    expectEntries(map, [['a@b', { before: true }]])
    expect(store.stats().entries).toBe(1)
    map.set('a@b', { after: ['it goes on'] })
    expectEntries(map, [['a@b', { after: ['it goes on'] }]])
  })

  test('the path of a message is as one would write it', async () => {
    const store = await stores.open()
    const bad: unknown = { fn: () => 1 }
    const message = (key: string | number | bigint): string =>
      expectError('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => store.map('users').set(key, bad)).message
    expect(message('a@b')).toBe('users["a@b"].fn: a function cannot be stored')
    expect(message('say "hi"')).toBe('users["say \\"hi\\""].fn: a function cannot be stored')
    expect(message(1)).toBe('users[1].fn: a function cannot be stored')
    expect(message(1n)).toBe('users[1n].fn: a function cannot be stored')
    expect(message(NaN)).toBe('users[NaN].fn: a function cannot be stored')
    expect(message('k'.repeat(1e6)).length).toBeLessThan(200)
    expect(message(2n ** 1_000_000n).length).toBeLessThan(200)
  })

  test('one object at many places is no cycle', async () => {
    const map = (await stores.open()).map('values')
    const leaf = { x: 1 }
    const row = Array.from({ length: 100 }, () => leaf)
    map.set(
      'a',
      Array.from({ length: 100 }, () => row),
    )
    expectSame(
      map.get('a'),
      Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => ({ x: 1 }))),
    )
  })

  test('a value that unfolds to more than fits is refused', async () => {
    const map = (await stores.open()).map('values')
    map.set('a', 1)
    let value: unknown = 'x'.repeat(1000)
    for (let level = 0; level < 40; level++) value = [value, value]
    expectError('ERR_FORKSTORE_TOO_LARGE', () => map.set('a', value))
    expectError('ERR_FORKSTORE_TOO_LARGE', () => map.set('a', new Array(2 ** 32 - 1)))
    expectEntries(map, [['a', 1]])
  }, 120_000)
}
