import fc from 'fast-check'
import type { NativeEngine } from '../../lib/engines/native/engine.js'
import type { Key } from '../../lib/base/types.js'
import { anyLeaf, sameValue } from './values.js'

const anyKey: fc.Arbitrary<Key> = fc.oneof(
  fc.constantFrom<Key>(
    'a',
    'b',
    'c',
    'user@example.com',
    '',
    'ü\u1234',
    0,
    -0,
    1,
    NaN,
    1n,
    -1n,
    2n ** 70n,
    '1',
  ),
  fc.nat({ max: 60 }),
)
const anyField = fc.constantFrom('n', 'name', '__proto__', 'other')
const anyFields = fc.dictionary(anyField, fc.oneof(anyLeaf, fc.constant([{ x: 1 }])), {
  maxKeys: 3,
  noNullPrototype: true,
})
const anyStored = fc.oneof(anyLeaf, anyFields, fc.array(anyLeaf, { maxLength: 3 }))

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key: anyKey, value: anyStored }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key: anyKey }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('patch' as const), key: anyKey, value: anyFields }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('increment' as const),
      key: anyKey,
      field: anyField,
      by: fc.integer(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      kind: fc.constantFrom('keys', 'values', 'entries'),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('next' as const), which: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), dice: fc.nat({ max: 4 }) }) },
)

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true })
}

/** Random programs, iterators held across writes included, over a map and a JavaScript Map. */
export function checkMapPrograms(engine: NativeEngine, runs: number): void {
  let programs = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (program) => {
      const map = engine.map(`program ${programs++ % 7}`)
      map.clear()
      const model = new Map<Key, unknown>()
      const iterators: [Iterator<unknown>, Iterator<unknown>][] = []
      for (const now of program) {
        switch (now.do) {
          case 'set':
            map.set(now.key, now.value)
            // Fields are changed in place below: a copy, one level deep.
            model.set(now.key, isFields(now.value) ? copyFields(now.value) : now.value)
            break
          case 'delete':
            sameValue(map.delete(now.key), model.delete(now.key))
            break
          case 'patch': {
            const value = model.get(now.key)
            if (isFields(value)) {
              map.patch(now.key, now.value as never)
              for (const name of Object.keys(now.value)) define(value, name, now.value[name])
            } else expectCode(() => map.patch(now.key, now.value as never), model.has(now.key))
            break
          }
          case 'increment': {
            const value = model.get(now.key)
            const field = isFields(value) && Object.hasOwn(value, now.field) ? value[now.field] : undefined
            if (isFields(value) && (field === undefined || typeof field === 'number')) {
              const sum = (field ?? 0) + now.by
              sameValue(map.increment(now.key, now.field as never, now.by), sum)
              define(value, now.field, sum)
            } else expectCode(() => map.increment(now.key, now.field as never, now.by), model.has(now.key))
            break
          }
          case 'open': {
            const kind = now.kind as 'keys' | 'values' | 'entries'
            iterators.push([map[kind](), model[kind]()])
            break
          }
          case 'next': {
            const pair = iterators[now.which]
            if (pair !== undefined) sameValue(pair[0].next(), pair[1].next())
            break
          }
          case 'clear':
            if (now.dice === 0) {
              map.clear()
              model.clear()
            }
        }
        sameValue(map.size, model.size)
      }
      sameValue([...map.entries()], [...model.entries()])
      for (const [key, value] of model) sameValue(map.get(key), value)
      for (const [mine, theirs] of iterators) {
        let expected
        do sameValue(mine.next(), (expected = theirs.next()))
        while (expected.done !== true)
      }
    }),
    { numRuns: runs },
  )
}

function copyFields(fields: Record<string, unknown>): Record<string, unknown> {
  const copy = {}
  for (const name of Object.keys(fields)) define(copy, name, fields[name])
  return copy
}

function expectCode(use: () => unknown, isThere: boolean): void {
  let code: unknown = 'nothing was thrown'
  try {
    use()
  } catch (error) {
    code = (error as { code?: unknown }).code
  }
  sameValue(code, isThere ? 'ERR_FORKSTORE_WRONG_TYPE' : 'ERR_FORKSTORE_NOT_FOUND')
}
