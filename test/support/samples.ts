import { runInNewContext } from 'node:vm'

export interface Sample {
  name: string
  value: unknown
  /** What comes back, where that is not the same. */
  stored?: unknown
}

const object = (...fields: [string, unknown][]): object => {
  const made = {}
  for (const [name, value] of fields) {
    Object.defineProperty(made, name, { value, enumerable: true, configurable: true, writable: true })
  }
  return made
}

const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`field${index}`, index]))

/** A value of every kind that is stored, with what is easy to get wrong in each. */
export const storable: Sample[] = [
  { name: 'null', value: null },
  { name: 'undefined', value: undefined },
  { name: 'true', value: true },
  { name: 'false', value: false },
  ...[
    ...[
      0,
      -0,
      1,
      -1,
      0.1,
      NaN,
      Infinity,
      -Infinity,
      2 ** 31 - 1,
      2 ** 31,
      -(2 ** 31),
      -(2 ** 31) - 1,
      2 ** 32,
    ],
    ...[Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, Number.MAX_VALUE, Number.MIN_VALUE, 1e21, -5e-324],
  ].map((value) => ({ name: `number ${Object.is(value, -0) ? '-0' : value}`, value })),
  ...[
    ...[0n, 1n, -1n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 64n, -(2n ** 64n)],
    ...[10n ** 100n, -(10n ** 100n)],
  ].map((value) => ({ name: `bigint ${value}`, value })),
  { name: 'bigint of 100,000 bits', value: 2n ** 100_000n + 12_345n },
  ...[
    '',
    'a',
    'abcde',
    'abcdef',
    'a longer string, in Latin-1',
    'ÿ',
    'Ā',
    'čřž',
    '日本語',
    '😀',
    '\0',
    'a\0b',
    '\ud800',
    '\udfff',
  ]
    .concat(['x\udc00\ud800y', '__proto__', '\n\r\u2028\u2029"\\', '\ufeff'])
    .map((value) => ({ name: `string ${JSON.stringify(value)}`, value })),
  ...[65_533, 65_534, 65_535, 65_536, 1_000_000].flatMap((length) => [
    { name: `Latin-1 string of ${length}`, value: 'é'.repeat(length) },
    { name: `UTF-16 string of ${length}`, value: 'Ω'.repeat(length) },
  ]),
  { name: 'Date', value: new Date(1_700_000_000_123) },
  { name: 'Date before 1970', value: new Date(-1) },
  { name: 'Date at its limit', value: new Date(8.64e15) },
  { name: 'invalid Date', value: new Date(NaN) },
  { name: 'Uint8Array', value: Uint8Array.of(0, 1, 127, 128, 255) },
  { name: 'empty Uint8Array', value: new Uint8Array(0) },
  { name: 'part of a Uint8Array', value: new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3) },
  { name: 'Buffer', value: Buffer.from('a buffer of the pool') },
  { name: 'empty Buffer', value: Buffer.alloc(0) },
  { name: 'Buffer of 1 MB', value: Buffer.alloc(1_000_003, 'abcdefg') },
  { name: 'empty array', value: [] },
  { name: 'array', value: [1, 'two', null, undefined, [3, [4]], { five: 5 }] },
  { name: 'array with holes', value: [, 1, , undefined, ,] },
  { name: 'array of holes', value: new Array(7) },
  { name: 'array of 100,000', value: Array.from({ length: 100_000 }, (_, index) => index * 1.5) },
  { name: 'empty object', value: {} },
  { name: 'object', value: { a: 1, b: 'two', c: { d: [{ e: null }] } } },
  {
    name: 'objects of one shape',
    value: [
      { x: 1, y: 2 },
      { x: 3, y: 4 },
      { y: 5, x: 6 },
    ],
  },
  { name: 'object with undefined', value: { a: undefined, b: { c: undefined } } },
  { name: 'object with empty parts', value: { a: {}, b: [], c: '', d: {}, e: [[]], f: { g: {} } } },
  {
    name: 'object with odd names',
    value: { '': 1, 'a b': 2, é: 3, 日: 4, '\0': 5, '\ud800': 6, constructor: 7 },
  },
  { name: 'object with indexes', value: { 2: 'b', 1: 'a', z: 'c', 10: 'd' } },
  {
    name: 'object with __proto__',
    value: object(['__proto__', { a: 1 }], ['b', object(['__proto__', null])]),
  },
  {
    name: 'object with names of methods',
    value: { toString: 1, valueOf: 2, toJSON: 3, hasOwnProperty: 4, then: 5 },
  },
  { name: 'object of 64 fields', value: Object.fromEntries(Object.entries(many).slice(0, 64)) },
  { name: 'object of 65 fields', value: Object.fromEntries(Object.entries(many).slice(0, 65)) },
  { name: 'object of 100 fields', value: many },
  {
    name: 'object of 10,000 fields',
    value: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`f${index}`, { index }])),
  },
  { name: 'object with a name of 255', value: { ['n'.repeat(255)]: 1, ['Ω'.repeat(255)]: 2 } },
  { name: 'object with a name of 256', value: { ['n'.repeat(256)]: 1, b: { ['Ω'.repeat(300)]: 2 } } },
  { name: 'object with a name of 100,000', value: { ['n'.repeat(100_000)]: 1 } },
  {
    name: 'everything at once',
    value: {
      a: [new Date(5), Buffer.from('x'), Uint8Array.of(9), 5n, -0, NaN, 'long enough', 'Ωμέγα'],
      z: null,
    },
  },
  {
    name: 'object without a prototype',
    value: Object.assign(Object.create(null), { a: 1 }),
    stored: { a: 1 },
  },
  {
    name: 'objects of another realm',
    value: runInNewContext('({ a: [1, { b: 2 }], d: new Date(7), u: new Uint8Array([1, 2]) })'),
    stored: { a: [1, { b: 2 }], d: new Date(7), u: Uint8Array.of(1, 2) },
  },
  {
    name: 'getters',
    value: { get a() { return { b: 1 } } }, // prettier-ignore
    stored: { a: { b: 1 } },
  },
  { name: 'symbols as names', value: { [Symbol('s')]: 1, a: 2 }, stored: { a: 2 } },
  {
    name: 'fields that are not enumerable',
    value: Object.defineProperty({ a: 1 }, 'hidden', { value: 2, enumerable: false }),
    stored: { a: 1 },
  },
  { name: 'frozen objects', value: Object.freeze({ a: Object.freeze([1]) }), stored: { a: [1] } },
  {
    name: 'one object twice',
    value: (() => { const shared = { s: 1 }; return { a: shared, b: shared, c: [shared] } })(), // prettier-ignore
    stored: { a: { s: 1 }, b: { s: 1 }, c: [{ s: 1 }] },
  },
]

class Account {
  id = 1
}

class Point extends null {}

const cycle: Record<string, unknown> = { name: 'me' }
cycle['self'] = cycle
const arrayCycle: unknown[] = [1]
arrayCycle.push({ again: arrayCycle })
const deepCycle: Record<string, unknown> = {}
let inner = deepCycle
for (let depth = 0; depth < 100; depth++) inner = inner['n'] = {}
inner['n'] = deepCycle

export interface RefusedSample {
  name: string
  value: unknown
  /** How the message goes on after the map and key. */
  says: string
}

const transferred = new Uint8Array([1, 2])
structuredClone(transferred.buffer, { transfer: [transferred.buffer] })
// Newer than the types.
const ResizableBuffer = ArrayBuffer as unknown as new (
  bytes: number,
  options: { maxByteLength: number },
) => ArrayBuffer & { resize(bytes: number): void }
const resizable = new ResizableBuffer(8, { maxByteLength: 16 })
const outOfBounds = new Uint8Array(resizable, 4)
resizable.resize(2)

/** What is refused, and in what words. */
export const refused: RefusedSample[] = [
  { name: 'function', value: () => 1, says: ': a function cannot be stored' },
  { name: 'class', value: Account, says: ': a function cannot be stored' },
  { name: 'symbol', value: Symbol('s'), says: ': a symbol cannot be stored' },
  { name: 'Map', value: new Map(), says: ': a Map cannot be stored' },
  { name: 'Set', value: new Set(), says: ': a Set cannot be stored' },
  { name: 'WeakMap', value: new WeakMap(), says: ': a WeakMap cannot be stored' },
  { name: 'RegExp', value: /x/, says: ': a RegExp cannot be stored' },
  { name: 'Error', value: new TypeError('x'), says: ': an Error cannot be stored' },
  { name: 'Promise', value: Promise.resolve(), says: ': a Promise cannot be stored' },
  { name: 'ArrayBuffer', value: new ArrayBuffer(8), says: ': an ArrayBuffer cannot be stored' },
  { name: 'DataView', value: new DataView(new ArrayBuffer(8)), says: ': a DataView cannot be stored' },
  { name: 'Int8Array', value: new Int8Array(2), says: ': an Int8Array cannot be stored' },
  {
    name: 'Uint8ClampedArray',
    value: new Uint8ClampedArray(2),
    says: ': a Uint8ClampedArray cannot be stored',
  },
  { name: 'Float64Array', value: new Float64Array(2), says: ': a Float64Array cannot be stored' },
  {
    name: 'transferred bytes',
    value: transferred,
    says: ': a Uint8Array whose memory is gone cannot be stored',
  },
  {
    name: 'bytes behind the end of a buffer that was made smaller',
    value: outOfBounds,
    says: ': a Uint8Array whose memory is gone cannot be stored',
  },
  { name: 'boxed number', value: Object(1), says: ': a boxed number cannot be stored' },
  { name: 'boxed string', value: Object('s'), says: ': a boxed string cannot be stored' },
  { name: 'boxed bigint', value: Object(1n), says: ': a boxed bigint cannot be stored' },
  { name: 'instance of a class', value: new Account(), says: ': an instance of Account cannot be stored' },
  {
    name: 'prototype of a class',
    value: Object.create(Point.prototype as object),
    says: ': an instance of Point cannot be stored',
  },
  {
    name: 'made from an object',
    value: Object.create({ a: 1 }),
    says: ': an object with a prototype of its own cannot be stored',
  },
  { name: 'Proxy', value: new Proxy({}, {}), says: ': a Proxy cannot be stored' },
  { name: 'Proxy of an array', value: new Proxy([], {}), says: ': a Proxy cannot be stored' },
  { name: 'cycle', value: cycle, says: '.self: a value that contains itself cannot be stored' },
  {
    name: 'cycle through an array',
    value: arrayCycle,
    says: '[1].again: a value that contains itself cannot be stored',
  },
  {
    name: 'cycle far down',
    value: { c: deepCycle },
    says: ': a value that contains itself cannot be stored',
  },
  { name: 'in a field', value: { a: 1, fn: () => 1 }, says: '.fn: a function cannot be stored' },
  { name: 'in an array', value: [0, [1, Symbol('s')]], says: '[1][1]: a symbol cannot be stored' },
  {
    name: 'under an odd name',
    value: { 'a b': { 'x-y': new Map() } },
    says: '["a b"]["x-y"]: a Map cannot be stored',
  },
  {
    name: 'behind much else',
    value: { ok: { a: [{}, { b: 'long enough' }] }, list: [{ x: /x/ }] },
    says: '.list[0].x: a RegExp cannot be stored',
  },
  {
    name: 'in a large object',
    value: { o: { ...many, field99: () => 1 } },
    says: '.o.field99: a function cannot be stored',
  },
]

/** Keys of every kind, all of them different. */
export const keys: (string | number | bigint)[] = [
  ...[
    '',
    '1',
    '1n',
    'a',
    'abc',
    'ada@example.com',
    '\0',
    'a\0',
    'a\0b',
    'é',
    'Ā',
    '日本語',
    '😀',
    '\ud800',
    '\udc00',
    '\ud800\ud800',
  ],
  ...[
    '__proto__',
    'constructor',
    'size',
    'NaN',
    '0',
    '-0',
    'undefined',
    'x'.repeat(16_382),
    'x'.repeat(16_383),
  ],
  ...['x'.repeat(16_384), 'Ω'.repeat(8_191), 'Ω'.repeat(8_192), 'y'.repeat(1_000_000), 'Ω'.repeat(1_000_000)],
  ...[1, 0, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 53, 1e300, 5e-324, 255, 256, 65_536],
  ...[
    1n,
    0n,
    -1n,
    255n,
    256n,
    -256n,
    2n ** 64n,
    -(2n ** 64n),
    2n ** 64n - 1n,
    2n ** 100_000n,
    -(2n ** 100_000n),
  ],
]
