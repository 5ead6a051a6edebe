import fc from 'fast-check'
import type { NativeEngine } from '../../lib/engines/native/engine.js'
import { copy, query } from '../../lib/collections/view-functions.js'
import { anyName, anyValue, sameValue } from './values.js'

type Tree = Record<string | number, unknown>

/** Names that are and are not indexes, and enough of them for tables. */
const anyMember = fc.oneof(
  { weight: 6, arbitrary: anyName },
  { weight: 2, arbitrary: fc.nat({ max: 90 }).map((number) => `n${number}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('4294967294', '4294967295', '01', 'n'.repeat(200), '\u1234'.repeat(70)),
  },
)

const wide = fc.nat({ max: 80 }).map((count) => {
  const object: Tree = {}
  for (let index = count; index > 0; index--) object[index % 3 === 0 ? index : `n${index}`] = { index }
  return object
})
const long = fc
  .nat({ max: 150 })
  .map((length) => Array.from({ length }, (_, index) => [index, `item ${index}`]))
const anyContents = fc.oneof(
  { weight: 6, arbitrary: anyValue },
  { weight: 1, arbitrary: wide },
  { weight: 1, arbitrary: long },
)

const where = fc.array(fc.nat({ max: 30 }), { maxLength: 4 })
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      where,
      name: anyMember,
      index: fc.nat({ max: 100 }),
      value: anyContents,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('delete' as const), where, dice: fc.nat() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('splice' as const),
      where,
      start: fc.integer({ min: -10, max: 160 }),
      count: fc.nat({ max: 100 }),
      items: fc.array(anyContents, { maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('length' as const), where, length: fc.nat({ max: 160 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reverse' as const), where }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('move' as const), where, to: where, name: anyMember }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('scope' as const), commits: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look' as const), where }) },
)

function isContainer(value: unknown): value is Tree {
  return (
    typeof value === 'object' && value !== null && !(value instanceof Date) && !(value instanceof Uint8Array)
  )
}

/** The same place in both, found by the numbers. */
function find(view: Tree, model: Tree, numbers: number[]): [Tree, Tree] {
  for (const number of numbers) {
    const names = Object.keys(model).filter((name) => isContainer(model[name]))
    const name = names[number % (names.length + 1)]
    if (name === undefined) break
    view = view[name] as Tree
    model = model[name] as Tree
  }
  return [view, model]
}

function define(target: Tree, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true })
}

function look(view: Tree, model: Tree): void {
  sameValue(view, model)
  sameValue(copy(view), model)
  const names = Object.keys(model)
  for (const name of names) if (!(name in view)) throw new Error(`${name} is not there`)
  if ('\0 no such member' in view) throw new Error('has what it has not')
  const rows = query(view as object)
  sameValue(rows.map((_, name) => String(name)).toArray(), names)
  sameValue(
    rows.toArray().map((value) => (isContainer(value) ? copy(value) : value)),
    names.map((name) => model[name]),
  )
}

/** Random programs over the tree and over plain data. */
export function checkTreePrograms(engine: NativeEngine, runs: number): void {
  const root = engine.tree.root.view as Tree
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50, size: 'max' }), (program) => {
      for (const name of Object.keys(root)) Reflect.deleteProperty(root, name)
      let model: Tree = {}
      const scopes: Tree[] = []
      for (const now of program) {
        if (now.do === 'scope') {
          if (scopes.length > 0 && (now.commits || scopes.length > 2)) {
            const before = scopes.pop() as Tree
            if (now.commits) engine.commit()
            else {
              engine.rollback()
              model = before
            }
          } else {
            engine.begin()
            scopes.push(structuredCloneOf(model) as Tree)
          }
          sameValue(copy(root), model)
          continue
        }
        const [view, plain] = find(root, model, now.where)
        switch (now.do) {
          case 'set':
            if (Array.isArray(plain)) {
              view[now.index] = now.value
              plain[now.index] = structuredCloneOf(now.value)
            } else {
              view[now.name] = now.value
              define(plain, now.name, structuredCloneOf(now.value))
            }
            break
          case 'delete': {
            const names = Object.keys(plain)
            const name = names[now.dice % (names.length + 1)] ?? 'no such member'
            Reflect.deleteProperty(view, name)
            Reflect.deleteProperty(plain, name)
            break
          }
          case 'splice':
            if (!Array.isArray(plain)) break
            sameValue(
              (view as unknown as unknown[]).splice(now.start, now.count, ...now.items),
              plain.splice(now.start, now.count, ...now.items.map(structuredCloneOf)),
            )
            break
          case 'length':
            if (!Array.isArray(plain)) break
            view['length'] = now.length
            plain.length = now.length
            break
          case 'reverse':
            if (!Array.isArray(plain)) break
            ;(view as unknown as unknown[]).reverse()
            plain.reverse()
            break
          case 'move': {
            const [other, otherPlain] = find(root, model, now.to)
            if (Array.isArray(otherPlain)) break
            other[now.name] = { moved: view }
            define(otherPlain, now.name, { moved: structuredCloneOf(plain) })
            break
          }
          case 'look':
            look(view, plain)
        }
      }
      while (scopes.pop() !== undefined) engine.commit()
      look(root, model)
    }),
    { numRuns: runs },
  )
}

/** A deep copy that keeps Buffers. */
function structuredCloneOf(value: unknown): unknown {
  if (!isContainer(value)) return value
  if (Array.isArray(value)) {
    const array: unknown[] = []
    for (const index of Object.keys(value)) array[Number(index)] = structuredCloneOf(value[Number(index)])
    array.length = value.length
    return array
  }
  const object: Tree = {}
  for (const name of Object.keys(value)) define(object, name, structuredCloneOf(value[name]))
  return object
}
