/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import fc from 'fast-check'
import { expect } from 'vitest'
import { copy, ForkstoreError } from '../../lib/index.js'
import { expectSame } from './expect.js'
import { anyValue } from './values.js'
import { isContainer } from './views.js'

/** Random programs for the live tree, and the plain data that they are run on beside it. */

export type Plain = Record<string, unknown>

/** A view that was kept, and the part of the plain data that it must go on to show. */
interface Kept {
  view: object
  data: object
}

export interface TreeState {
  root: Plain
  data: Plain
  kept: Kept[]
  transaction: (run: () => void) => void
  /** The cache of views is so small that a view that is held may be another one than that of the next read. */
  isForgetful?: boolean
}

export type TreeCommand = (state: TreeState) => void

/** A copy as the store makes it: nothing shared; holes and orders kept. */
export function copyPlain<V>(value: V): V {
  if (value instanceof Date) return new Date(value.getTime()) as V
  if (Buffer.isBuffer(value)) return Buffer.from(value) as V
  if (value instanceof Uint8Array) return new Uint8Array(value) as V
  if (!isContainer(value)) return value
  const made = (Array.isArray(value) ? new Array(value.length) : {}) as Plain
  for (const name of Object.keys(value)) setField(made, name, copyPlain((value as Plain)[name]))
  return made as V
}

function setField(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
}

/** Follows numbers down into the data and the tree: both places, or as far as there are containers. */
function walk(state: TreeState, way: readonly number[]): Kept {
  let { root: view, data }: { root: object; data: object } = state
  for (const choice of way) {
    const names = Object.keys(data).filter((name) => isContainer((data as Plain)[name]))
    if (names.length === 0) break
    const name = names[choice % names.length] as string
    view = (view as Plain)[name] as object
    data = (data as Plain)[name] as object
  }
  return { view, data }
}

/** Everything that is in the data, with its view. */
function reachable(state: TreeState): Map<object, object> {
  const found = new Map<object, object>([[state.data, state.root]])
  for (const [data, view] of found) {
    for (const name of Object.keys(data)) {
      const value = (data as Plain)[name]
      if (isContainer(value)) found.set(value, (view as Plain)[name] as object)
    }
  }
  return found
}

/** The tree shows the data; each kept view shows its object, and is its view, or is refused. */
export function checkTree(state: TreeState): void {
  expectSame(copy(state.root), state.data)
  const found = reachable(state)
  for (const { view, data } of state.kept) {
    if (found.has(data)) {
      if (state.isForgetful !== true) expect(found.get(data) === view).toBe(true)
      expectSame(copy(view), data)
    } else {
      expectDetached(view)
    }
  }
}

function expectDetached(view: object): void {
  const uses: (() => unknown)[] = [
    () => (view as Plain)['0'],
    () => ((view as Plain)['0'] = 1),
    () => '0' in view,
    () => delete (view as Plain)['0'],
    () => Object.keys(view),
    () => copy(view),
  ]
  for (const use of uses) {
    let code: unknown = 'nothing was thrown'
    try {
      use()
    } catch (error) {
      code = error instanceof ForkstoreError ? error.code : error
    }
    expectSame(code, 'ERR_FORKSTORE_DETACHED')
  }
}

const name = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      ...['a', 'b', 'name', 'visits', 'options', '__proto__', 'constructor', 'toString', 'length', '', 'Ω'],
      ...['0', '1', '7', '10', '01', '-1', '4294967294', '4294967295'],
    ),
  },
  { weight: 2, arbitrary: fc.nat({ max: 90 }).map((n) => `member ${n}`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
)

const way = fc.array(fc.nat({ max: 5 }), { maxLength: 4 })
const value = anyValue

type Change = (view: Plain & unknown[], data: Plain & unknown[], state: TreeState) => void

/** A command that works on some object, or on some array. */
function on(kind: 'object' | 'array', change: Change): fc.Arbitrary<TreeCommand> {
  return way.map((way) => (state) => {
    for (let length = way.length; length >= 0; length--) {
      const { view, data } = walk(state, way.slice(0, length))
      if (Array.isArray(data) !== (kind === 'array')) continue
      change(view as never, data as never, state)
      return
    }
  })
}

/** With arguments of its own. */
function given<A>(
  args: fc.Arbitrary<A>,
  make: (args: A) => fc.Arbitrary<TreeCommand>,
): fc.Arbitrary<TreeCommand> {
  return args.chain(make)
}

/** Something that is compared alike in data and views. */
function rank(item: unknown): number {
  if (typeof item === 'number') return Number.isNaN(item) ? 0 : Math.max(-1e9, Math.min(1e9, item))
  if (typeof item === 'string') return item.length
  return isContainer(item) ? Object.keys(item).length : -1
}

const objectCommands: { weight: number; arbitrary: fc.Arbitrary<TreeCommand> }[] = [
  {
    weight: 8,
    arbitrary: given(fc.tuple(name, value), ([name, value]) =>
      on('object', (view, data) => {
        view[name as never] = value as never
        // An assignment to the plain object would touch its prototype.
        if (Object.hasOwn(data, name)) data[name as never] = copyPlain(value) as never
        else setField(data, name, copyPlain(value))
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: given(fc.tuple(fc.nat(), name), ([choice, name]) =>
      on('object', (view, data) => {
        const names = Object.keys(data)
        const which = choice % 4 === 0 || names.length === 0 ? name : (names[choice % names.length] as string)
        expect(delete view[which as never]).toBe(true)
        Reflect.deleteProperty(data, which)
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: given(fc.tuple(fc.integer({ min: 1, max: 80 }), fc.nat(5)), ([count, step]) =>
      on('object', (view, data) => {
        const fields: Plain = {}
        for (let index = 0; index < count; index++) {
          fields[step % 3 === 0 ? String(index * step) : `member ${index}`] =
            step % 2 === 0 ? index : { index, text: 'x'.repeat(index) }
        }
        Object.assign(view, fields)
        for (const name of Object.keys(fields)) setField(data, name, copyPlain(fields[name]))
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: on('object', (view, data) => {
      for (const name of Object.keys(view)) delete view[name as never]
      for (const name of Object.keys(data)) Reflect.deleteProperty(data, name)
    }),
  },
  {
    weight: 3,
    arbitrary: given(fc.tuple(way, name, fc.boolean()), ([from, name, isNested]) =>
      on('object', (view, data, state) => {
        const source = walk(state, from)
        const copied = copyPlain(source.data)
        if (JSON.stringify(Object.keys(copied)).length > 3000) return
        view[name as never] = (isNested ? { of: [source.view] } : source.view) as never
        // Assigned to the very place that it shows, a view stays as it is.
        if (!isNested && Object.hasOwn(data, name) && data[name as never] === source.data) return
        setField(data, name, isNested ? { of: [copied] } : copied)
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: given(fc.tuple(name, value), ([name, value]) =>
      on('object', (view) => {
        expect(() => (view[name as never] = [value, { bad: () => 1 }] as never)).toThrow(
          /a function cannot be stored/,
        )
      }),
    ),
  },
]

const position = fc.integer({ min: -5, max: 12 })
const items = fc.array(value, { maxLength: 4 })

const arrayCommands: { weight: number; arbitrary: fc.Arbitrary<TreeCommand> }[] = [
  {
    weight: 4,
    arbitrary: given(fc.tuple(fc.nat(20), value), ([index, value]) =>
      on('array', (view, data) => {
        view[index] = value
        data[index] = copyPlain(value)
      }),
    ),
  },
  {
    weight: 5,
    arbitrary: given(items, (items) =>
      on('array', (view, data) => expectSame(view.push(...items), data.push(...copyPlain(items)))),
    ),
  },
  {
    weight: 2,
    arbitrary: given(fc.integer({ min: 30, max: 90 }), (count) =>
      on('array', (view, data) => {
        const items = Array.from({ length: count }, (_, n) =>
          n % 3 === 0 ? { n } : n % 3 === 1 ? 'x'.repeat(n) : -n,
        )
        if (data.length > 300) return
        expectSame(view.push(...items), data.push(...copyPlain(items)))
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: given(items, (items) =>
      on('array', (view, data) => expectSame(view.unshift(...items), data.unshift(...copyPlain(items)))),
    ),
  },
  { weight: 2, arbitrary: on('array', (view, data) => expectSame(view.pop(), data.pop())) },
  { weight: 3, arbitrary: on('array', (view, data) => expectSame(view.shift(), data.shift())) },
  {
    weight: 5,
    arbitrary: given(fc.tuple(position, fc.integer({ min: -1, max: 20 }), items), ([start, count, items]) =>
      on('array', (view, data) =>
        expectSame(view.splice(start, count, ...items), data.splice(start, count, ...copyPlain(items))),
      ),
    ),
  },
  {
    weight: 2,
    arbitrary: given(fc.nat(90), (length) =>
      on('array', (view, data) => {
        view.length = data.length = length
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: given(fc.nat(20), (index) =>
      on('array', (view, data) => expectSame(delete view[index], delete data[index])),
    ),
  },
  {
    weight: 2,
    arbitrary: on('array', (view, data) => {
      const sorted = view.sort((one, other) => rank(one) - rank(other))
      expect(sorted === view).toBe(true)
      data.sort((one, other) => rank(one) - rank(other))
    }),
  },
  {
    weight: 1,
    arbitrary: on('array', (view, data) => {
      view.reverse()
      data.reverse()
    }),
  },
  {
    weight: 1,
    arbitrary: given(fc.tuple(value, position, position), ([value, start, end]) =>
      on('array', (view, data) => {
        view.fill(value, start, end)
        const filled = new Array(data.length).fill(false).fill(true, start, end)
        filled.forEach((isFilled, index) => {
          if (isFilled === true) data[index] = copyPlain(value)
        })
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: given(fc.tuple(position, position, position), ([target, start, end]) =>
      on('array', (view, data) => {
        view.copyWithin(target, start, end)
        const before = [...Array(data.length).keys()]
        const after = [...before].copyWithin(target, start, end)
        const old = data.slice()
        after.forEach((from, index) => {
          // What stays in its place keeps its identity, unless it was copied over itself.
          if (isCopied(data.length, target, start, end, index)) {
            if (from in old) data[index] = copyPlain(old[from])
            else Reflect.deleteProperty(data, index)
          }
        })
      }),
    ),
  },
]

function isCopied(length: number, target: number, start: number, end: number, index: number): boolean {
  const place = (position: number): number =>
    position < 0 ? Math.max(0, length + position) : Math.min(position, length)
  const count = Math.min(place(end) - place(start), length - place(target))
  return index >= place(target) && index < place(target) + count
}

const keepCommand: fc.Arbitrary<TreeCommand> = way.map((way) => (state) => {
  if (state.kept.length < 20) state.kept.push(walk(state, way))
})

class Thrown extends Error {}

/** Every container's members, to be put back: objects stay the same ones. */
function remember(root: object): () => void {
  const all = new Map<object, [names: string[], values: unknown[], length: number]>()
  const add = (container: object): void => {
    const names = Object.keys(container)
    const values = names.map((name) => (container as Plain)[name])
    all.set(container, [names, values, Array.isArray(container) ? container.length : 0])
    for (const value of values) if (isContainer(value)) add(value)
  }
  add(root)
  return () => {
    for (const [container, [names, values, length]] of all) {
      for (const name of Object.keys(container)) Reflect.deleteProperty(container, name)
      names.forEach((name, index) => setField(container, name, values[index]))
      if (Array.isArray(container)) container.length = length
    }
  }
}

const simple = fc.oneof(...objectCommands, ...arrayCommands, { weight: 6, arbitrary: keepCommand })

/** A command of a program; some are transactions, of which some throw in the end. */
export const treeCommand: fc.Arbitrary<TreeCommand> = fc.letrec<{ command: TreeCommand }>((tie) => ({
  command: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'transaction' },
    { weight: 12, arbitrary: simple },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.array(tie('command'), { maxLength: 6 }), fc.boolean())
        .map(([commands, isThrown]) => (state: TreeState) => {
          const restore = remember(state.data)
          try {
            state.transaction(() => {
              for (const command of commands) {
                command(state)
                checkTree(state)
              }
              if (isThrown) throw new Thrown()
            })
            expect(isThrown).toBe(false)
          } catch (error) {
            if (!(error instanceof Thrown)) throw error
            restore()
          }
        }),
    },
  ),
})).command
