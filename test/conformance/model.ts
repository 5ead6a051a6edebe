import fc from 'fast-check'
import { test } from 'vitest'
import type { ForkstoreMap, Key } from '../../lib/index.js'
import type { EngineName } from '../support/engines.js'
import { expectSame } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/** Roughly ten seconds for both engines. */
const RUNS = 1200

interface Iteration {
  model: Iterator<[Key, unknown]>
  real: Iterator<[Key, unknown]>
}

/** What a program works on: the oracle beside the real thing. */
interface State {
  model: Map<Key, unknown>
  real: ForkstoreMap<Key, unknown>
  iterations: Iteration[]
}

type Command = (state: State) => void

const key: fc.Arbitrary<Key> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom<Key>('a', 'b', 'c', 1, '1', 1n, 'a longer key of two words', 'Ω', 0, NaN),
  },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.bigInt() },
)

const fieldName = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('n', 'name', 'tags', '', '__proto__', 'toString', 'Ω') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 10 }) },
)

const HOLE = Symbol('hole')

const { value } = fc.letrec<{ value: unknown; scalar: unknown; object: Record<string, unknown> }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('scalar'),
    fc
      .array(fc.oneof({ weight: 6, arbitrary: tie('value') }, { weight: 1, arbitrary: fc.constant(HOLE) }), {
        maxLength: 5,
      })
      .map(withHoles),
    tie('object'),
  ),
  scalar: fc.oneof(
    fc.integer(),
    fc.double(),
    fc.constantFrom<unknown>(null, undefined, true, false, -0, ''),
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.string({ maxLength: 30 }),
    fc.string({ maxLength: 3 }).map((text) => text.repeat(200)),
    fc.constantFrom('\ud800', 'x\udc00', 'a\0b'),
    fc.bigInt(),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 20 }),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  ),
  object: fc.array(fc.tuple(fieldName, tie('value')), { maxLength: 6 }).map(toObject),
}))

function withHoles(items: unknown[]): unknown[] {
  const array = new Array<unknown>(items.length)
  items.forEach((item, index) => {
    if (item !== HOLE) array[index] = item
  })
  return array
}

function toObject(fields: [string, unknown][]): Record<string, unknown> {
  const object = {}
  for (const [name, value] of fields) define(object, name, value)
  return object
}

function define(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  )
}

/** Copied field by field: structuredClone takes a field called `__proto__` well, but makes Buffers Uint8Arrays. */
function withFields(
  before: Record<string, unknown>,
  fields: Record<string, unknown>,
): Record<string, unknown> {
  const after = {}
  for (const from of [before, fields]) for (const name of Object.keys(from)) define(after, name, from[name])
  return after
}

const fields = fc.array(fc.tuple(fieldName, value), { maxLength: 4 }).map(toObject)

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(key, value).map(
      ([key, value]): Command =>
        ({ model, real }) => {
          model.set(key, value)
          real.set(key, value)
        },
    ),
  },
  {
    weight: 4,
    arbitrary: key.map(
      (key): Command =>
        ({ model, real }) => {
          expectSame(real.delete(key), model.delete(key))
        },
    ),
  },
  {
    weight: 4,
    arbitrary: key.map(
      (key): Command =>
        ({ model, real }) => {
          expectSame(real.has(key), model.has(key))
          expectSame(real.get(key), model.get(key))
        },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(key, fields).map(
      ([key, fields]): Command =>
        ({ model, real }) => {
          const before = model.get(key)
          if (isObject(before)) {
            model.set(key, withFields(before, fields))
            real.patch(key, fields as never)
          } else {
            expectFailure(model.has(key) ? 'ERR_FORKSTORE_WRONG_TYPE' : 'ERR_FORKSTORE_NOT_FOUND', () => real.patch(key, fields as never)) // prettier-ignore
          }
        },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(key, fieldName, fc.oneof(fc.integer(), fc.double())).map(
      ([key, name, by]): Command =>
        ({ model, real }) => {
          const before = model.get(key)
          const field = isObject(before) && Object.hasOwn(before, name) ? before[name] : undefined
          if (isObject(before) && (field === undefined || typeof field === 'number')) {
            const after = (field ?? 0) + by
            model.set(key, withFields(before, toObject([[name, after]])))
            expectSame(real.increment(key, name as never, by), after)
          } else {
            expectFailure(model.has(key) ? 'ERR_FORKSTORE_WRONG_TYPE' : 'ERR_FORKSTORE_NOT_FOUND', () => real.increment(key, name as never, by)) // prettier-ignore
          }
        },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(key, fields, fc.array(fieldName, { maxLength: 4 })).map(
      ([key, fields, names]): Command =>
        ({ model, real }) => {
          const before = model.get(key)
          const remove = names.filter((name) => !Object.hasOwn(fields, name))
          const run = (): unknown => real.patch(key, fields, { remove })
          if (isObject(before)) {
            const after = withFields(before, fields)
            for (const name of remove) Reflect.deleteProperty(after, name)
            model.set(key, after)
            run()
          } else {
            expectFailure(model.has(key) ? 'ERR_FORKSTORE_WRONG_TYPE' : 'ERR_FORKSTORE_NOT_FOUND', run)
          }
        },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, fc.double(), fc.option(fc.integer(), { nil: undefined })).map(
      ([key, by, initial]): Command =>
        ({ model, real }) => {
          const before = model.has(key) ? model.get(key) : initial
          const run = (): number => real.increment(key, by, initial === undefined ? {} : { initial })
          if (typeof before === 'number') {
            model.set(key, before + by)
            expectSame(run(), before + by)
          } else if (!model.has(key)) {
            expectFailure('ERR_FORKSTORE_NOT_FOUND', run)
          } else {
            expectFailure(
              isObject(before) ? 'ERR_FORKSTORE_INVALID_ARGUMENT' : 'ERR_FORKSTORE_WRONG_TYPE',
              run,
            )
          }
        },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, value).map(
      ([key, value]): Command =>
        ({ model, real }) => {
          const before = model.get(key)
          const run = (): unknown => real.update(key, (given) => (expectSame(given, before), value))
          if (value === undefined && before !== undefined) {
            expectFailure('ERR_FORKSTORE_INVALID_ARGUMENT', run)
          } else {
            if (value !== undefined) model.set(key, value)
            expectSame(run(), value)
          }
        },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, value).map(
      ([key, value]): Command =>
        ({ model, real }) => {
          if (!model.has(key)) model.set(key, value)
          expectSame(real.getOrInsert(key, value), model.get(key))
        },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(key, value).map(
      ([key, value]): Command =>
        ({ model, real }) => {
          expectFailure('ERR_FORKSTORE_UNSUPPORTED_VALUE', () => real.set(key, [value, { bad: () => 1 }]))
          expectSame(real.has(key), model.has(key))
        },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Command>(({ model, real }) => {
      model.clear()
      real.clear()
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constant<Command>(({ model, real, iterations }) => {
      iterations.push({ model: model.entries(), real: real.entries() as Iterator<[Key, unknown]> })
    }),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(fc.nat(10), fc.nat(5)).map(
      ([which, steps]): Command =>
        ({ iterations }) => {
          const iteration = iterations[which % Math.max(1, iterations.length)]
          for (let step = 0; step <= steps && iteration !== undefined; step++) {
            const { done, value } = iteration.real.next()
            const expected = iteration.model.next()
            expectSame([done, value], [expected.done, expected.value])
          }
        },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Command>(({ model, real }) => expectSame([...real], [...model])),
  },
)

function expectFailure(code: string, run: () => unknown): void {
  let got: unknown
  try {
    run()
  } catch (error) {
    got = (error as { code?: unknown }).code ?? error
  }
  expectSame(got, code)
}

/** Random programs over the map and over a JavaScript Map, with iterators under way. */
export function modelSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  test('random programs', async () => {
    const store = await stores.open(undefined, { maxBytes: 2 ** 32 })
    let names = 0
    fc.assert(
      fc.property(fc.array(command, { maxLength: 120, size: 'max' }), (program) => {
        const state: State = { model: new Map(), real: store.map(`run ${names++ % 50}`), iterations: [] }
        state.real.clear()
        for (const run of program) {
          run(state)
          expectSame(state.real.size, state.model.size)
        }
        expectSame([...state.real], [...state.model])
        for (const iteration of state.iterations) {
          for (let done = false; !done; ) {
            const step = iteration.real.next()
            const expected = iteration.model.next()
            expectSame([step.done, step.value], [expected.done, expected.value])
            done = step.done === true
          }
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('random programs, saved and loaded', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(command, { maxLength: 60, size: 'max' }), { maxLength: 4 }),
        async (programs) => {
          const path = stores.directory()
          const model = new Map<Key, unknown>()
          for (const program of programs) {
            const store = await stores.open(path)
            const state: State = { model, real: store.map('run'), iterations: [] }
            for (const run of program) run(state)
            await store.close()
          }
          const store = await stores.open(path)
          expectSame([...store.map('run')], [...model])
          await stores.cleanUp()
        },
      ),
      { numRuns: RUNS / 40 },
    )
  })
}
