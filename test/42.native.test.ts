import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { NativeEngine } from '../lib/engines/native/engine.js'
import { openNative } from '../lib/engines/native/engine.js'
import { errorFromCode } from '../lib/engines/native/errors.js'
import type { ForkstoreMap } from '../lib/collections/map.js'
import type { Key } from '../lib/base/types.js'
import { nativeEngine } from './support/native-engine.js'
import { checkMapPrograms } from './support/native-programs.js'
import { anyValue, sameValue } from './support/values.js'

const engines: NativeEngine[] = []

async function open(options: Parameters<typeof nativeEngine>[0] = {}): Promise<NativeEngine> {
  const engine = await nativeEngine(options)
  engines.push(engine)
  return engine
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()))
})

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_FORKSTORE_${name}` })

describe('a map does what a Map of copies does', () => {
  it('through windows', async () => checkMapPrograms(await open(), 400))
  it('through copies of blocks', async () => checkMapPrograms(await open({ windows: false }), 150))
  it('where code generation is forbidden', () => {
    const child = fileURLToPath(new URL('./support/native-child.ts', import.meta.url))
    const args = ['--disallow-code-generation-from-strings', '--import', 'tsx', child]
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toContain('same results')
  })
  it('for any value', async () => {
    for (const windows of [true, false]) {
      const map = (await open({ windows })).map('values')
      fc.assert(
        fc.property(
          fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.bigInt()),
          anyValue,
          (key, value) => {
            map.set(key, value)
            sameValue(map.get(key), value)
          },
        ),
        { numRuns: 3000 },
      )
    }
  })
})

describe('keys', () => {
  it('of every kind and length come back', async () => {
    for (const windows of [true, false]) {
      const map = (await open({ windows })).map('keys') as ForkstoreMap<Key, unknown>
      const keys: Key[] = [
        0,
        1,
        -1,
        0.5,
        NaN,
        Infinity,
        -Infinity,
        5e-324,
        '',
        '0',
        '1',
        'NaN',
        '\0',
        '\0\0',
        '\ud800',
        'é',
      ]
      for (let bits = 0n; bits < 200n; bits += 7n) keys.push(1n << bits, -(1n << bits), (1n << bits) - 1n)
      for (const length of [6, 7, 8, 31, 33, 255, 0x1ffe, 0x1fff, 0x3ffe, 0x3fff, 0x4000, 70_000]) {
        keys.push(
          'k'.repeat(length),
          'ü'.repeat(length),
          '\u1234'.repeat(length),
          1n << BigInt(8 * length - 9),
        )
      }
      const expected = new Map<Key, unknown>(keys.map((key, index) => [key, { index }]))
      for (const [key, value] of expected) map.set(key, value)
      expect(map.size).toBe(expected.size)
      expect([...map.keys()]).toEqual([...expected.keys()])
      expect([...map]).toEqual([...expected])
      for (const [key, value] of expected) expect(map.get(key)).toEqual(value)
      expect(map.get(-0)).toEqual({ index: 0 })
      for (const key of keys) map.delete(key)
      expect(map.size).toBe(0)
    }
  })

  it('of other types are refused by every method', async () => {
    const map = (await open()).map('m') as unknown as ForkstoreMap<never, unknown>
    for (const key of [undefined, null, true, {}, Symbol('s'), () => 1, ['a'], new String('a')]) {
      const bad = key as never
      expect(() => map.get(bad)).toThrow(code('UNSUPPORTED_KEY'))
      expect(() => map.has(bad)).toThrow(code('UNSUPPORTED_KEY'))
      expect(() => map.set(bad, 1)).toThrow(code('UNSUPPORTED_KEY'))
      expect(() => map.delete(bad)).toThrow(code('UNSUPPORTED_KEY'))
      expect(() => map.patch(bad, {})).toThrow(code('UNSUPPORTED_KEY'))
      expect(() => map.increment(bad, 'x' as never)).toThrow(code('UNSUPPORTED_KEY'))
    }
    expect(map.size).toBe(0)
  })
})

describe('errors', () => {
  it('of patch and increment', async () => {
    const map = (await open()).map('users') as ForkstoreMap<Key, unknown>
    map.set('text', 'x').set('list', [1]).set('date', new Date(1)).set('user', { name: 'Ada', visits: 1 })
    for (const key of ['text', 'list', 'date']) {
      expect(() => map.patch(key, { a: 1 } as never)).toThrow(code('WRONG_TYPE'))
      expect(() => map.patch(key, {})).toThrow(code('WRONG_TYPE'))
      expect(() => map.increment(key, 'a' as never)).toThrow(code('WRONG_TYPE'))
    }
    expect(() => map.patch('nobody', { a: 1 } as never)).toThrow(/^users\["nobody"\]/)
    expect(() => map.patch('nobody', {})).toThrow(code('NOT_FOUND'))
    expect(() => map.increment('nobody', 'a' as never)).toThrow(code('NOT_FOUND'))
    expect(() => map.increment('user', 'name' as never)).toThrow(code('WRONG_TYPE'))
    expect(() => map.increment('user', 5 as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => map.increment('user', 'visits' as never, '1' as never)).toThrow(code('INVALID_ARGUMENT'))
    for (const fields of [null, undefined, 'x', 1, [1], new Date(), new Map(), () => 1, new Uint8Array(1)]) {
      expect(() => map.patch('user', fields as never)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() => map.patch('user', { fn: () => 1 } as never)).toThrow(/^users\["user"\]\.fn: a function/)
    expect(map.get('user')).toEqual({ name: 'Ada', visits: 1 })
  })

  it('have the system error as their cause', () => {
    const error = errorFromCode(9, 'write failed', 28)
    expect(error).toMatchObject({
      code: 'ERR_FORKSTORE_IO',
      message: 'write failed',
      cause: { code: 'ENOSPC' },
    })
    expect(errorFromCode(1, 'full').cause).toBeUndefined()
    expect(errorFromCode(9, 'x', 99_999).cause).toMatchObject({ code: expect.stringContaining('99999') })
    expect(errorFromCode(77, 'x').code).toBe('ERR_FORKSTORE_IO')
  })

  it('when full, and what is there stays', async () => {
    const engine = await openNative(undefined, { maxBytes: 2 ** 26 })
    engines.push(engine)
    const map = engine.map('m')
    const text = 'x'.repeat(1_000_000)
    let entries = 0
    expect(() => {
      for (; entries < 1000; entries++) map.set(entries, text)
    }).toThrow(code('FULL'))
    expect(entries).toBeGreaterThan(30)
    expect(map.size).toBe(entries)
    expect(map.get(entries - 1)).toBe(text)
    map.clear()
    while (!engine.idle());
    map.set('again', text)
    expect(map.get('again')).toBe(text)
  })

  it('after seal and close', async () => {
    const engine = await open()
    const map = engine.map('m') as ForkstoreMap<Key, unknown>
    map.set('a', { n: 1 }).set('b', 2)
    const running = map.entries()
    running.next()
    const uses = [
      () => map.size,
      () => map.get('a'),
      () => map.get(1),
      () => map.has('a'),
      () => map.set('a', 1),
      () => map.delete('a'),
      () => map.clear(),
      () => map.patch('a', { n: 2 } as never),
      () => map.increment('a', 'n' as never),
      () => map.keys(),
      () => map.values(),
      () => map.entries(),
      () => map[Symbol.iterator](),
      () => running.next(),
      () => map.forEach(() => {}),
      () => engine.map('new'),
    ]
    engine.seal()
    for (const use of uses) expect(use).toThrow(code('CLOSED'))
    expect(engine.stats().entries).toBe(2)
    const closed = engine.close()
    expect(engine.close()).toBe(closed)
    for (const use of uses) expect(use).toThrow(code('CLOSED'))
    expect(engine.idle()).toBe(true)
    expect(() => engine.stats()).toThrow(code('CLOSED'))
    await expect(engine.snapshot({ keep: 1, watchdogMs: 1000, strategy: 'auto' })).rejects.toThrow(
      code('CLOSED'),
    )
    await closed
  })

  it('no large buffer is kept after a large operation', async () => {
    const engine = await open()
    const map = engine.map('m')
    const { operation } = engine
    const large = 'x'.repeat(5_000_000)
    const before = operation.capacity
    const ends = (): void => {
      expect(operation.capacity).toBe(before)
      expect(operation.bytes.length).toBe(before)
    }
    map.set('a', large)
    ends()
    map.set('o', {}).patch('o', { large } as never)
    ends()
    expect(() => map.set('b', [large, () => 1] as unknown)).toThrow(code('UNSUPPORTED_VALUE'))
    ends()
    map.set(2n ** 20_000_000n, 1)
    ends()
    expect(map.get(2n ** 20_000_000n)).toBe(1)
    ends()
    const inner = 'y'.repeat(3_000_000)
    map.set('outer', {
      first: [large],
      get second() {
        return { get third() { map.set('inner', inner); return [inner] } } // prettier-ignore
      },
      last: { text: 'the last of all' },
    })
    ends()
    expect(map.get('inner')).toBe(inner)
    expect(map.get('outer')).toEqual({
      first: [large],
      second: { third: [inner] },
      last: { text: 'the last of all' },
    })
  })

  it('when a getter closes the store half way', async () => {
    const engine = await open()
    const map = engine.map('m')
    const value = {
      a: ['x'.repeat(50)],
      get b() {
        void engine.close()
        return { c: 1, neverSeenShape: 2 }
      },
    }
    expect(() => map.set('k', value)).toThrow()
    expect(() => map.get('k')).toThrow(code('CLOSED'))
  })

  it('where the addon cannot run', async () => {
    vi.resetModules()
    const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor
    Object.defineProperty(process, 'platform', { ...platform, value: 'sunos' })
    try {
      const fresh = await import('../lib/engines/native/engine.js')
      await expect(fresh.openNative(undefined, { maxBytes: 2 ** 30 })).rejects.toThrow(code('UNAVAILABLE'))
    } finally {
      Object.defineProperty(process, 'platform', platform)
      vi.resetModules()
    }
  })
})

describe('onWrite is told of what changed, and of nothing else', () => {
  it('by each method', async () => {
    const engine = await open()
    let writes = 0
    engine.onWrite = () => writes++
    const map = engine.map('m') as ForkstoreMap<Key, unknown>
    const told = (use: () => unknown): number => {
      const before = writes
      try {
        use()
      } catch {
        // Refused: must not be told.
      }
      return writes - before
    }
    expect(told(() => map.clear())).toBe(0)
    expect(told(() => map.set('a', { n: 1 }))).toBe(1)
    expect(told(() => map.set('a', { n: 1 }))).toBe(1)
    expect(told(() => map.set(1, { n: 1 }))).toBe(1)
    expect(told(() => map.set(1, { n: 2 }))).toBe(1)
    expect(told(() => map.set('b', (() => 1) as unknown))).toBe(0)
    expect(told(() => map.delete('nobody'))).toBe(0)
    expect(told(() => map.delete(7n))).toBe(0)
    expect(told(() => map.patch('a', { n: 2 } as never))).toBe(1)
    expect(told(() => map.patch('a', {}))).toBe(0)
    expect(told(() => map.patch('nobody', { n: 2 } as never))).toBe(0)
    expect(told(() => map.increment('a', 'n' as never))).toBe(1)
    expect(told(() => map.increment('nobody', 'n' as never))).toBe(0)
    expect(told(() => [map.get('a'), map.has('b'), map.size, ...map.keys()])).toBe(0)
    expect(told(() => map.delete(1))).toBe(1)
    expect(told(() => map.clear())).toBe(1)
  })
})

describe('getters of a value that is being stored', () => {
  it('may use the store', async () => {
    const engine = await open()
    const users = engine.map('users') as ForkstoreMap<Key, unknown>
    const other = engine.map('other') as ForkstoreMap<Key, unknown>
    users
      .set('ada', { visits: 1 })
      .set(7, 'seven')
      .set(2n ** 80n, 'big')
    const seen: unknown[] = []
    users.set('outer', {
      before: ['a string of some length', { x: 1.5 }],
      part: {
        get get() {
          seen.push(users.get('ada'), users.get(7), users.has(8n), users.get(2n ** 80n))
          return 'get'
        },
        get set() {
          users.set('inner', { text: 'y'.repeat(100_000), list: [[[]]] })
          other.set(5, {
            a: {
              get b() {
                other.set(6n, 'deepest')
                return 'b'
              },
            },
          })
          return ['set']
        },
        get change() {
          seen.push(users.increment('ada', 'visits' as never, 4), users.delete(7), other.size)
          users.patch('ada', { more: 'text' } as never)
          other.clear()
          return { change: true }
        },
        get fail() {
          expect(() => users.set('bad', [() => 1] as never)).toThrow(code('UNSUPPORTED_VALUE'))
          expect(() => users.increment('nobody', 'x' as never)).toThrow(code('NOT_FOUND'))
          return [...users.keys()]
        },
      },
      get after() {
        return 'a string of another length'
      },
    })
    expect(users.get('outer')).toEqual({
      before: ['a string of some length', { x: 1.5 }],
      part: { get: 'get', set: ['set'], change: { change: true }, fail: ['ada', 2n ** 80n, 'inner'] },
      after: 'a string of another length',
    })
    expect(users.get('inner')).toEqual({ text: 'y'.repeat(100_000), list: [[[]]] })
    expect(users.get('ada')).toEqual({ visits: 5, more: 'text' })
    expect(seen).toEqual([{ visits: 1 }, 'seven', false, 'big', 5, true, 2])
    expect(other.size).toBe(0)
  })

  it('may store under the same key: the outer one wins', async () => {
    const map = (await open()).map('m')
    map.set('k', {
      a: [1],
      get b() {
        map.set('k', 'inner')
        return [map.get('k')]
      },
    })
    expect(map.get('k')).toEqual({ a: [1], b: ['inner'] })
    expect(map.size).toBe(1)
  })
})

describe('iterators', () => {
  it('are those of a Map to everyone who asks', async () => {
    const map = (await open()).map('m')
    map.set('a', 1)
    const iterator = map.entries()
    const real = new Map([['a', 1]]).entries()
    expect(iterator[Symbol.iterator]()).toBe(iterator)
    expect(Object.prototype.toString.call(iterator)).toBe('[object Map Iterator]')
    const base = Object.getPrototypeOf(Object.getPrototypeOf(real)) as object
    expect(Object.prototype.isPrototypeOf.call(base, iterator)).toBe(true)
    expect(iterator.next()).toEqual({ value: ['a', 1], done: false })
    expect(iterator.next()).toEqual({ value: undefined, done: true })
    map.set('late', 2)
    expect(iterator.next()).toEqual({ value: undefined, done: true })
  })

  it('see large maps whole, in order', async () => {
    const map = (await open()).map('m')
    const expected: [number, string][] = []
    for (let i = 0; i < 5000; i++) {
      expected.push([i * 7, `value ${i}`])
      map.set(i * 7, `value ${i}`)
    }
    expect([...map]).toEqual(expected)
    expect([...map.values()]).toEqual(expected.map(([, value]) => value))
    let count = 0
    for (const [key] of map) {
      map.set(key, 'new')
      count++
    }
    expect(count).toBe(5000)
    for (const key of map.keys()) map.delete(key)
    expect(map.size).toBe(0)
  })
})
