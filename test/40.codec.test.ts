import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Operation } from '../lib/engines/native/codec/operation.js'
import { SHAPES_AT_FIRST_SIGHT } from '../lib/engines/native/codec/shape-tree.js'
import { MapSite, type Site } from '../lib/engines/native/codec/writers.js'
import { checkCodec, makeCodec } from './support/codec-check.js'
import { referenceEncode } from './support/reference-encoder.js'
import { sameValue } from './support/values.js'

describe('any value comes back the same, in the canonical bytes', () => {
  it('read through windows over the arena', () => checkCodec({}, 5000))
  it('read from copies of blocks', () => checkCodec({ windows: false }, 3000))
  it('when the shapes are used up', () => checkCodec({ maxShapes: 3 }, 3000))
  it('from an operation buffer that has to grow', () => checkCodec({ operationBytes: 32 }, 2000))
  it('where code generation is forbidden', () => {
    const child = fileURLToPath(new URL('./support/codec-child.ts', import.meta.url))
    const args = ['--disallow-code-generation-from-strings', '--import', 'tsx', child]
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toContain('same results')
  })
})

describe('bytes', () => {
  it('are those of the worked example', () => {
    const { encode, store } = makeCodec()
    for (let shape = 0; shape < 3; shape++) store.defineShape([`other${shape}`])
    expect(encode({ id: 7, name: 'Ada Lovelace' }).toString('hex')).toBe(
      '080000000300fcff' + '070000000000f9ff' + '080000000c00faff' + '416461204c6f76656c61636500000000',
    )
  })

  it('keep -0, infinities, and one NaN', () => {
    const { encode } = makeCodec()
    const strange = new Float64Array(new BigUint64Array([0xfff8000000000001n, 0x7ff8dead00000000n]).buffer)
    for (const nan of [NaN, 0 / 0, strange[0], strange[1], new Date(NaN).getTime()]) {
      expect(encode(nan).toString('hex')).toBe('000000000000f87f')
    }
    expect(encode(-0).toString('hex')).toBe('0000000000000080')
    expect(encode(2 ** 31 - 1).toString('hex')).toBe('ffffff7f0000f9ff')
    expect(encode(2 ** 31).toString('hex')).toBe('000000000000e041')
  })

  it('are the same for long strings, at every limit', () => {
    const { encode, decode, store } = makeCodec()
    const shapeOf = (names: string[]): number => store.defineShape(names)
    for (const length of [0, 1, 4, 5, 6, 39, 40, 41, 42, 255, 0xfffe, 0xffff, 0x10000, 100_001]) {
      for (const wide of [-1, 0, length - 1]) {
        for (const tail of ['\xff', '\u0100', '\ud800']) {
          const text =
            wide < 0
              ? 'é'.repeat(length)
              : 'x'.repeat(wide) + tail + 'y'.repeat(Math.max(0, length - wide - 1))
          const value = ['before', text, { text, after: 'it' }]
          const bytes = encode(value)
          expect(Buffer.compare(bytes, referenceEncode(value, shapeOf))).toBe(0)
          sameValue(decode(bytes), value)
        }
      }
    }
  })

  it('are the same when the object was another type of string inside V8', () => {
    const { encode } = makeCodec()
    const twoByte = 'abc\u1234'.repeat(20)
    const narrow = twoByte.slice(0, 3) + twoByte.slice(4, 7) + 'abcdef'.repeat(10)
    const cons = 'x'.repeat(30) + String(Math.random()).slice(0, 1).repeat(40)
    for (const text of [narrow, cons, narrow.slice(1), cons.slice(20)]) {
      expect(encode(text)).toEqual(referenceEncode(JSON.parse(JSON.stringify(text)), () => -1))
    }
  })
})

describe('objects', () => {
  it('with more than 64 fields or a long name are dictionaries', () => {
    const { encode, decode, store } = makeCodec()
    const shapeOf = (names: string[]): number => store.defineShape(names)
    const wide = (count: number): object =>
      Object.fromEntries([...Array(count).keys()].map((i) => [`field${i}`, { i }]))
    for (const value of [
      wide(64),
      wide(65),
      wide(300),
      { ['n'.repeat(255)]: 1 },
      { ['n'.repeat(256)]: [1] },
      { a: wide(65), b: [wide(66)], ['\u1234'.repeat(256)]: 'x', __proto__: null },
    ]) {
      const bytes = encode(value)
      expect(Buffer.compare(bytes, referenceEncode(value, shapeOf))).toBe(0)
      sameValue(decode(bytes), value)
    }
    expect(store.shapes.every((names) => names.length <= 64)).toBe(true)
  })

  it('with made-up names do not fill memory with shapes', () => {
    const { roundTrip, store } = makeCodec({ maxShapes: 10 })
    for (let i = 0; i < 100_000; i++) roundTrip({ [`user${i}`]: i, more: { [`x${i}`]: 1 } })
    expect(store.shapes.length).toBe(10)
    // What has a shape still gets it.
    const known = { [store.shapes[0]?.[0] as string]: 1 }
    sameValue(roundTrip(known), known)
  })

  it('get a shape at first sight while there are few, then at the second, whatever was seen in between', () => {
    const { encode, decode, store } = makeCodec()
    const isShaped = (value: object): boolean => encode(value).readUInt16LE(6) === 0xfffc
    for (let i = 0; i < SHAPES_AT_FIRST_SIGHT; i++) expect(isShaped({ [`early${i}`]: i })).toBe(true)
    expect(isShaped({ once: 1 })).toBe(false)
    // More names than the tree holds, each once: it begins anew, and no shape is defined.
    for (let i = 0; i < 70_000; i++) encode({ [`user${i}`]: i })
    expect(store.shapes.length).toBe(SHAPES_AT_FIRST_SIGHT)
    for (let i = 0; i < SHAPES_AT_FIRST_SIGHT; i++) encode({ [`early${i}`]: i })
    expect(isShaped({ early5: 1 })).toBe(true)
    expect(isShaped({ twice: 1, again: { twice: 2 } })).toBe(false)
    expect(isShaped({ twice: 1, again: { twice: 2 } })).toBe(true)
    expect(isShaped({})).toBe(true)
    sameValue(decode(encode({ twice: 1 })), { twice: 1 })
    // Two lists that are written alike when their names are joined are two.
    encode({ ab: 1, c: 1 })
    expect(isShaped({ a: 1, bc: 1 })).toBe(false)
  })

  it('keep their shapes when a store is opened again that has many', () => {
    const { store } = makeCodec()
    for (let i = 0; i < SHAPES_AT_FIRST_SIGHT; i++) store.defineShape([`early${i}`, 'x'])
    const operation = new Operation(store)
    const end = operation.encoder.encode({ early7: 1, x: 2 }, 16, new MapSite('users'), 'key')
    expect(operation.bytes.subarray(16, end).readUInt16LE(6)).toBe(0xfffc)
    expect(store.shapes.length).toBe(SHAPES_AT_FIRST_SIGHT)
  })

  it('give their own enumerable string keys only', () => {
    const { roundTrip } = makeCodec()
    const value = Object.create(null, {
      shown: { value: 1, enumerable: true },
      hidden: { value: 2, enumerable: false },
      read: { get: () => 3, enumerable: true },
      [Symbol('no')]: { value: 4, enumerable: true },
    })
    sameValue(roundTrip(value), { shown: 1, read: 3 })
    sameValue(roundTrip({ 2: 'b', x: 1, 1: 'a' }), { 1: 'a', 2: 'b', x: 1 })
    const other = vm.runInNewContext('({ a: [1, { b: new Date(5) }], c: new Uint8Array(3) })')
    sameValue(roundTrip(other), { a: [1, { b: new Date(5) }], c: new Uint8Array(3) })
  })

  it('are not misread when Object.prototype has been given a property', () => {
    const { roundTrip } = makeCodec()
    roundTrip({ polluted: 1 })
    let decoded: unknown[]
    Object.defineProperty(Object.prototype, 'polluted', { value: 'x', enumerable: true, configurable: true })
    try {
      decoded = [{}, { a: 1 }, { b: 1, polluted: 2 }].map(roundTrip)
    } finally {
      delete (Object.prototype as Record<string, unknown>).polluted
    }
    expect(decoded.map((value) => Object.keys(value as object))).toEqual([[], ['a'], ['b', 'polluted']])
  })

  it('are read once, each field in its order', () => {
    const { roundTrip } = makeCodec()
    const reads: string[] = []
    const value = (): object => ({
      get a() {
        reads.push('a')
        return reads.length
      },
      b: 'b',
      get c() {
        reads.push('c')
        return reads.length
      },
    })
    roundTrip({ a: 1, b: 2, d: 3 })
    sameValue(roundTrip(value()), { a: 1, b: 'b', c: 2 })
    expect(reads).toEqual(['a', 'c'])
  })
})

describe('a site that has seen many objects of one shape', () => {
  const train = (): {
    codec: ReturnType<typeof makeCodec>
    site: Site
    encode: (value: unknown) => Buffer
  } => {
    const codec = makeCodec({ operationBytes: 256 })
    const site = new MapSite('users')
    const encode = (value: unknown): Buffer => {
      const end = codec.operation.encoder.encode(value, 16, site, 'key')
      return Buffer.from(codec.operation.bytes.subarray(16, end))
    }
    for (let i = 0; i < 50; i++) encode({ a: 'text', b: i, ['__proto__']: true })
    expect(site.writer).toBeDefined()
    return { codec, site, encode }
  }
  class Own {
    a = 1
    b = 2
  }
  const proto = (value: unknown): object => ({ a: 1, b: 2, ['__proto__']: value })

  it('writes the same bytes for whatever comes', () => {
    const { codec, encode } = train()
    const shapeOf = (names: string[]): number => codec.store.defineShape(names)
    const leaves = [
      0,
      -0,
      NaN,
      1.5,
      2 ** 31,
      7n,
      null,
      undefined,
      true,
      '',
      'é',
      '\u1234',
      'x'.repeat(30),
      'y'.repeat(90),
    ]
    const others = [
      {},
      [],
      { a: 'x'.repeat(20), b: [1, { c: 2 }] },
      new Date(3),
      Buffer.from('abc'),
      [, 1],
      proto([proto(1)]),
    ]
    const values = [
      ...[...leaves, ...others].flatMap((part) => [
        proto(part),
        { a: part, b: 'some longer text', ['__proto__']: 1 },
        { a: 'some longer text', b: part, ['__proto__']: part },
      ]),
      { a: 1, b: 2 },
      { a: 1, b: 2, ['__proto__']: 3, d: 4 },
      { b: 1, a: 2, ['__proto__']: 3 },
      Object.assign(Object.create(null), { a: 1, b: 2 }),
      { a: 1, b: 2, __proto__: null },
      {},
      [1],
      'text',
      null,
    ]
    for (const value of [...values, ...values.reverse()]) {
      expect(Buffer.compare(encode(value), referenceEncode(value, shapeOf))).toBe(0)
    }
  })

  it('still refuses what it must, with the path', () => {
    const { encode } = train()
    expect(() => encode(new Proxy(proto(1), {}))).toThrow('users["key"]: a Proxy')
    expect(() => encode(new Own())).toThrow('users["key"]: an instance of Own')
    expect(() => encode({ a: 'x', b: () => 1, ['__proto__']: 1 })).toThrow('users["key"].b: a function')
    expect(() => encode({ a: Symbol('s'), b: 1, ['__proto__']: 1 })).toThrow('users["key"].a: a symbol')
    expect(() => encode({ a: 1, b: { c: [new Own()] }, ['__proto__']: 1 })).toThrow('users["key"].b.c[0]: an')
    const cycle = { a: 1, b: {}, ['__proto__']: 1 }
    cycle.b = cycle
    expect(() => encode(cycle)).toThrow('users["key"].b: a value that contains itself')
    expect(encode(proto('fine'))).toEqual(train().encode(proto('fine')))
  })

  it('reads each field once, and lets getters use the buffer', () => {
    const { codec, encode } = train()
    let reads = 0
    const value = {
      a: 'some longer text',
      get b() {
        reads++
        encode([{ deep: ['something else that overwrites the buffer'] }])
        return ['list', proto(1)]
      },
      ['__proto__']: 'another longer text',
    }
    sameValue(codec.decode(encode(value)), {
      a: 'some longer text',
      b: ['list', proto(1)],
      ['__proto__']: 'another longer text',
    })
    expect(reads).toBe(1)
  })
})

describe('depth', () => {
  it.each([100, 100_000, 1_000_000])('of %i arrays or objects is no trouble', (depth) => {
    const { encode, decode } = makeCodec({ arenaBytes: 40 * depth + 65_536 })
    let array: unknown[] = ['end']
    let object: unknown = 'end'
    let mixed: unknown = 'end'
    for (let i = 0; i < depth; i++) {
      array = [array]
      object = { __proto__: null, next: object }
      mixed = i % 2 === 0 ? [mixed] : { mixed }
    }
    const follow = (start: unknown): number => {
      let count = 0
      let at: unknown = start
      while (typeof at === 'object') {
        at = Object.values(at as object)[0]
        count++
      }
      expect(at).toBe('end')
      return count
    }
    expect(follow(decode(encode(array)))).toBe(depth + 1)
    expect(follow(decode(encode(object)))).toBe(depth)
    expect(follow(decode(encode(mixed)))).toBe(depth)
  })

  it('keeps order, holes and siblings of what is decoded later', () => {
    const { roundTrip } = makeCodec({ maxShapes: 2 })
    let value: unknown = { a: 1, b: [1, , { c: 2 }], 3: 'x' }
    for (let i = 0; i < 150; i++) {
      value =
        i % 3 === 0
          ? { first: i, value, __proto__: null, last: [i, {}] }
          : i % 3 === 1
            ? [i, , value, , [], new Date(i)]
            : { [`name${i}`]: 'before', value, ['__proto__']: { i }, z: 'after' }
    }
    sameValue(roundTrip(value), value)
  })
})

describe('copies', () => {
  it.each([true, false])('are handed out, not views (windows: %s)', (windows) => {
    const { roundTrip, store } = makeCodec({ windows })
    const value = {
      bytes: new Uint8Array([1, 2, 3]),
      buffer: Buffer.from('four'),
      name: 'a longer string than 5',
    }
    const first = roundTrip(value) as typeof value
    store.put(new Uint8Array(3 << 20).fill(0xee))
    store.put(new Uint8Array(3 << 20).fill(0xee))
    sameValue(first, value)
    expect(first.bytes.buffer.byteLength).toBeLessThan(10_000)
  })

  it('of a Buffer that lies within a pool, or a Uint8Array at an odd offset', () => {
    const { roundTrip } = makeCodec()
    const odd = new Uint8Array(new Uint8Array([9, 8, 7, 6, 5]).buffer, 1, 3)
    sameValue(roundTrip([Buffer.from('pooled'), odd]), [Buffer.from('pooled'), odd])
  })
})

describe('code that runs while a value is read', () => {
  it('may use the same buffer, and make it grow', () => {
    const { operation, decode } = makeCodec({ operationBytes: 64 })
    const results: unknown[] = []
    const inner = (value: unknown): void => {
      operation.nested(() => {
        const end = operation.encoder.encode(value, 16, new MapSite('map'), 'inner')
        results.push(decode(operation.bytes.slice(16, end)))
      })
    }
    const value = {
      list: ['some string that is long', 2, { x: 'y' }],
      nested: {
        get first() {
          inner({
            list: ['z'.repeat(300)],
            deeper: {
              get again() {
                inner([1, 2, 3])
                return 'again'
              },
            },
          })
          return 'first'
        },
        second: 'second string, long too',
      },
      get last() {
        inner('short')
        expect(() => inner([() => 1])).toThrow('cannot be stored')
        return ['last']
      },
    }
    const end = operation.encoder.encode(value, 16, new MapSite('map'), 'outer')
    sameValue(decode(operation.bytes.slice(16, end)), {
      list: ['some string that is long', 2, { x: 'y' }],
      nested: { first: 'first', second: 'second string, long too' },
      last: ['last'],
    })
    expect(results).toEqual(['short', [1, 2, 3], { list: ['z'.repeat(300)], deeper: { again: 'again' } }])
    expect(operation.encoder.busy).toBe(false)
  })
})
