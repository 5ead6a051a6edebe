import fc from 'fast-check'

const character = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 0xff }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
)

/** Any UTF-16 whatever, lone surrogates and NUL too; mostly Latin-1, of lengths around the limits of the codec. */
export const anyString = fc
  .oneof(
    fc.array(character, { maxLength: 8 }),
    fc.array(character, { maxLength: 48 }),
    fc.array(fc.integer({ min: 0, max: 0xff }), { maxLength: 48 }),
  )
  .map((units) => String.fromCharCode(...units))

export const anyNumber = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(
    0,
    -0,
    NaN,
    Infinity,
    -Infinity,
    2 ** 31,
    2 ** 31 - 1,
    -(2 ** 31),
    -(2 ** 31) - 1,
    5e-324,
    0.1,
  ),
)

export const anyName = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      'a',
      'b',
      'name',
      'email',
      '__proto__',
      'constructor',
      '0',
      '7',
      '',
      'é',
      '\ud800',
    ),
  },
  { weight: 2, arbitrary: anyString },
)

export const anyLeaf = fc.oneof(
  { weight: 4, arbitrary: anyNumber },
  { weight: 4, arbitrary: anyString },
  { weight: 2, arbitrary: fc.constantFrom(null, undefined, true, false) },
  { weight: 1, arbitrary: fc.bigInt() },
  { weight: 1, arbitrary: fc.constantFrom(0n, 1n, -1n, 2n ** 64n, 2n ** 64n - 1n, -(2n ** 63n), 2n ** 200n) },
  { weight: 1, arbitrary: fc.date({ noInvalidDate: false }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)) },
)

function objectOf(value: fc.Arbitrary<unknown>, maxLength: number): fc.Arbitrary<object> {
  return fc.array(fc.tuple(anyName, value), { maxLength }).map((fields) => {
    const object: Record<string, unknown> = {}
    for (const [name, field] of fields) {
      Object.defineProperty(object, name, {
        value: field,
        writable: true,
        enumerable: true,
        configurable: true,
      })
    }
    return object
  })
}

function arrayOf(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> {
  return fc.array(fc.tuple(value, fc.nat({ max: 9 })), { maxLength: 6 }).map((items) => {
    const array: unknown[] = []
    items.forEach(([item, dice], index) => {
      if (dice === 0) array.length = index + 1
      else array[index] = item
    })
    return array
  })
}

/** Any value that can be stored. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'value' },
    { weight: 3, arbitrary: anyLeaf },
    { weight: 3, arbitrary: objectOf(tie('value'), 6) },
    { weight: 2, arbitrary: arrayOf(tie('value')) },
  ),
})).value

/** Fails unless both are the same value: leaves by Object.is, holes, key order, prototypes, kinds of bytes. */
export function sameValue(actual: unknown, expected: unknown, path = 'value'): void {
  const fail = (what: string): never => {
    throw new Error(`${path}: ${what}`)
  }
  if (typeof expected !== 'object' || expected === null) {
    if (!Object.is(actual, expected)) fail(`${String(actual)} is not ${String(expected)}`)
    return
  }
  if (typeof actual !== 'object' || actual === null) return fail(`${String(actual)} is no object`)
  if (Object.getPrototypeOf(actual) !== (Object.getPrototypeOf(expected) ?? Object.prototype))
    fail('another prototype')
  if (expected instanceof Date) {
    if (!Object.is((actual as Date).getTime(), expected.getTime())) fail('another date')
  } else if (expected instanceof Uint8Array) {
    if (Buffer.compare(actual as Uint8Array, expected) !== 0) fail('other bytes')
  } else {
    if (Array.isArray(expected) && (actual as unknown[]).length !== expected.length) fail('another length')
    const names = Object.keys(expected)
    const actualNames = Object.keys(actual)
    if (names.length !== actualNames.length || names.some((name, i) => name !== actualNames[i])) {
      fail(`has ${JSON.stringify(actualNames)}, not ${JSON.stringify(names)}`)
    }
    for (const name of names) {
      sameValue(
        (actual as Record<string, unknown>)[name],
        (expected as Record<string, unknown>)[name],
        `${path}[${JSON.stringify(name)}]`,
      )
    }
  }
}
