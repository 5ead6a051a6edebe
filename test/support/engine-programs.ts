/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import fc from 'fast-check'
import { copy, ForkstoreError, query, type Query } from '../../lib/index.js'
import type { AnyRoot, ForkstoreMap, Key, Store } from '../../lib/index.js'
import { viewOf } from '../../lib/views/view.js'

/**
 * Random programs whose callbacks, getters and comparators write, too. A program is data, and `runProgram`
 * says all that is seen while it runs: two engines agree on a program when that is the same.
 */

type Target = 'small' | 'large' | 'list' | 'long' | 'map'
type Way = 'forEach' | 'filter' | 'reduce' | 'find' | 'for of' | 'entries' | 'iterator'

export interface Step {
  do: 'set' | 'delete' | 'splice' | 'push' | 'length' | 'sort' | 'go' | 'scope' | 'live' | 'patch'
  target: Target
  name: string
  number: number
  other: number
  value: Given
  way: Way
  /** What the callback, the getter, the comparator or the transaction does, when its turn comes. */
  body: Step[]
}

/** A value to be: `kind` says what. */
interface Given {
  kind:
    | 'number'
    | 'text'
    | 'object'
    | 'array'
    | 'getter'
    | 'deleter'
    | 'symbol'
    | 'bare'
    | 'view'
    | 'function'
  number: number
}

const target = fc.constantFrom<Target>('small', 'large', 'list', 'long', 'map')
const name = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '0', '3', '50', '77', '200', '__proto__'),
  fc.nat({ max: 70 }).map((number) => `member ${number}`),
)
const given: fc.Arbitrary<Given> = fc.record({
  kind: fc.constantFrom<Given['kind']>(
    ...(['number', 'text', 'object', 'object', 'array', 'getter', 'deleter'] as const),
    ...(['symbol', 'bare', 'view', 'function'] as const),
  ),
  number: fc.nat({ max: 60 }),
})

/** A step whose body has steps of this kind. */
function stepWith(inner: fc.Arbitrary<Step> | undefined): fc.Arbitrary<Step> {
  return fc.record({
    do: fc.constantFrom<Step['do']>(
      ...(['set', 'set', 'delete', 'delete', 'splice', 'push', 'length'] as const),
      ...(['sort', 'go', 'go', 'go', 'scope', 'live', 'patch'] as const),
    ),
    target,
    name,
    number: fc.integer({ min: -3, max: 90 }),
    other: fc.nat({ max: 6 }),
    value: given,
    way: fc.constantFrom<Way>('forEach', 'filter', 'reduce', 'find', 'for of', 'entries', 'iterator'),
    body: inner === undefined ? fc.constant<Step[]>([]) : fc.array(inner, { maxLength: 3 }),
  })
}

const step = stepWith(stepWith(stepWith(undefined)))

export const program = fc.array(step, { minLength: 1, maxLength: 12 })

/** Bodies that run in one program: after that, callbacks do nothing. */
const MOST_BODIES = 60

/**
 * What is seen while the program runs over the store, whose contents are made anew. Messages say where a view
 * was first reached.
 */
export function runProgram(store: Store, steps: readonly Step[], withMessages: boolean): string[] {
  return new Run(store, withMessages).all(steps)
}

class Run {
  readonly #store: Store
  readonly #root: AnyRoot
  readonly #map: ForkstoreMap<Key, unknown>
  readonly #seen: string[] = []
  readonly #kept: object[] = []
  #bodies = 0
  #depth = 0

  constructor(
    store: Store,
    readonly withMessages: boolean,
  ) {
    this.#store = store
    const many = (count: number): [string, unknown][] =>
      Array.from({ length: count }, (_, n) => [n % 4 === 0 ? String(n) : `member ${n}`, { n, in: [n] }])
    store.root['run'] = {
      small: Object.fromEntries(many(6)),
      large: Object.fromEntries(many(75)),
      list: [1, { n: 1 }, , 'text', [2]], // prettier-ignore
      long: Array.from({ length: 90 }, (_, n) => (n % 3 === 0 ? { n } : n)),
    }
    this.#root = store.root['run'] as AnyRoot
    this.#map = store.map('run')
    this.#map.clear()
    for (const [key, value] of many(20)) this.#map.set(key, value)
  }

  all(steps: readonly Step[]): string[] {
    this.#body(steps)
    this.#see('end', copy(this.#root), [...this.#map])
    for (const view of this.#kept) this.#try(() => this.#see('kept', view))
    return this.#seen
  }

  #body(steps: readonly Step[]): void {
    for (const step of steps) this.#try(() => this.#step(step))
  }

  /** Runs the body of a step, unless there was enough of that. */
  #inner(step: Step): void {
    if (this.#bodies >= MOST_BODIES || this.#depth > 3) return
    this.#bodies++
    this.#depth++
    this.#body(step.body)
    this.#depth--
  }

  #try(run: () => void): void {
    try {
      run()
    } catch (error) {
      const { message } = error as Error
      this.#see(
        'error',
        error instanceof ForkstoreError ? error.code : (error as Error).name,
        this.withMessages ? message : '',
      )
    }
  }

  #see(...what: unknown[]): void {
    this.#seen.push(what.map((part) => show(part)).join(' '))
  }

  #step(step: Step): void {
    const { target, name, number, other } = step
    const array = (
      target === 'list' || target === 'long' ? this.#root[target] : this.#root['list']
    ) as unknown[]
    const object = this.#root[target === 'large' ? 'large' : 'small'] as AnyRoot
    switch (step.do) {
      case 'set':
        if (target === 'map') this.#map.set(name, this.#value(step))
        else if (target === 'small' || target === 'large') object[name] = this.#value(step)
        else array[Math.abs(number)] = this.#value(step)
        return
      case 'delete':
        if (target === 'map') this.#see(this.#map.delete(name))
        else if (target === 'small' || target === 'large') delete object[name]
        else delete array[Math.abs(number)]
        return
      case 'splice':
        this.#see(array.splice(this.#index(step), other, ...(number % 2 ? [this.#value(step)] : [])))
        return
      case 'push':
        if (number % 3 === 0) this.#see(array.fill(this.#value(step), number % 5, other))
        else if (number % 3 === 1) this.#see(array.push(this.#value(step), number))
        else this.#see(array.copyWithin(this.#index(step), other))
        return
      case 'length':
        array.length = Math.abs(number) % 12
        return
      case 'sort':
        this.#sort(step, array)
        return
      case 'scope':
        this.#store.transaction(() => {
          this.#inner(step)
          if (number % 2) throw new Error('taken back')
        })
        return
      case 'live': {
        const view = this.#map.live(name) as AnyRoot | undefined
        this.#see('live', view)
        if (view !== undefined && viewOf(view)?.isArray === false) view[`member ${other}`] = this.#value(step)
        return
      }
      case 'patch':
        if (number % 7 === 0) this.#map.patch(name, { n: 1 }, { remove: ['in', `member ${other}`] })
        else if (number % 11 === 0) this.#see(this.#map.update(name, (value) => value ?? this.#value(step)))
        else if (number % 2) this.#map.patch(name, { n: this.#value(step) } as never)
        else this.#see(this.#map.increment(name, 'n' as never, number))
        return
      case 'go':
        this.#go(step, target === 'map' ? undefined : (this.#root[target] as object))
    }
  }

  /** A number; or something that runs the body when it is asked for its number. */
  #index(step: Step): number {
    if (step.other % 2) return step.number
    return {
      valueOf: () => {
        this.#inner(step)
        return step.number
      },
    } as unknown as number
  }

  #sort(step: Step, array: unknown[]): void {
    const rank = (item: unknown): number =>
      typeof item === 'number' ? item : typeof item === 'string' ? -1 : 99
    let calls = 0
    const compare = (one: unknown, other: unknown): number => {
      if (++calls % 7 === 3) this.#inner(step)
      return rank(one) - rank(other)
    }
    this.#see('sorted', step.number % 2 ? array.sort(compare) : [...array].sort(compare))
  }

  #go(step: Step, view: object | undefined): void {
    let visits = 0
    const visit = (value: unknown, name: unknown): boolean => {
      this.#see('visit', name, value)
      if (isTreeView(value)) {
        if (view !== undefined && visits === step.other) this.#kept.push(value as object)
        const row = value as AnyRoot
        for (const member of Object.keys(row))
          this.#see(row[member] === row[member] || row[member] !== row[member])
      }
      if (visits++ % 3 === step.other % 3) this.#inner(step)
      if (visits > 400) throw new Error('does not end')
      return visits % 2 === 0
    }
    const rows = (view === undefined ? this.#map : query(view as Record<string, unknown>)) as Query
    switch (step.way) {
      case 'forEach':
        if (view === undefined) this.#map.forEach((value, key) => void visit(value, key))
        else query(view as Record<string, unknown>).forEach((value, key) => void visit(value, key))
        return
      case 'filter':
        this.#see(
          rows
            .filter(visit as never)
            .take(30)
            .count(),
        )
        return
      case 'reduce':
        this.#see(
          rows.reduce((sum: number, value: unknown, key: unknown) => sum + Number(visit(value, key)), 0),
        )
        return
      case 'find':
        this.#see(
          rows.find(((value: unknown, key: unknown) => visit(value, key) && visits > step.other) as never),
        )
        return
      case 'for of':
        for (const value of (Array.isArray(view) ? view : rows) as Iterable<unknown>) {
          visit(value, visits)
          if (visits > 2 * step.number + 40) break
        }
        return
      case 'entries':
        for (const [key, value] of view === undefined ? this.#map.entries() : Object.entries(view)) {
          visit(value, key)
          if (visits > 150) break
        }
        return
      case 'iterator': {
        // Begun within a transaction that is taken back, or kept, and gone on with after it.
        const iterator = (rows.filter(() => true) as Iterable<unknown>)[Symbol.iterator]()
        const next = (): void => {
          const { done, value } = iterator.next()
          if (done !== true) visit(value, visits)
        }
        this.#try(() => {
          this.#store.transaction(() => {
            this.#inner(step)
            for (let count = 0; count < step.other; count++) next()
            if (step.number % 2) throw new Error('taken back')
          })
        })
        for (let count = 0; count < 20; count++) next()
      }
    }
  }

  #value(step: Step): unknown {
    const { kind, number } = step.value
    const run = (): number => {
      this.#inner(step)
      return number
    }
    switch (kind) {
      case 'number':
        return number
      case 'text':
        return 'x'.repeat(4 * number)
      case 'object':
        return { n: number, in: { deep: [number] } }
      case 'array':
        return Object.assign(new Array(number % 9), { [number % 9]: { n: number } })
      case 'getter':
        return { a: 1, get n() { return run() }, in: [number] } // prettier-ignore
      case 'deleter':
        return {
          a: number,
          get b() {
            if (number % 3 === 0) delete (this as { c?: number }).c
            else if (number % 3 === 1) Object.assign(this, { d: 1 })
            return run()
          },
          c: 1,
        }
      case 'symbol':
        return { a: number, get [Symbol.for('x')]() { return run() }, b: [number] } // prettier-ignore
      case 'bare': {
        const bare = [new Date(number), new Uint8Array([number]), Buffer.from([number]), { a: number }][
          number % 4
        ]!
        return Object.setPrototypeOf(bare, number % 8 < 4 ? null : Object.prototype) as unknown
      }
      case 'view': {
        const view = this.#kept.at(number % 5) ?? (this.#root['small'] as object)
        // What is put into itself is twice as large then, each time.
        return isLarge(view) ? number : view
      }
      case 'function':
        return [number, { no: () => number }]
    }
  }
}

/** Whether a view shows more than some thousand members, at whatever depth. */
function isLarge(view: object): boolean {
  let waiting: unknown[]
  try {
    waiting = [copy(view)]
  } catch {
    return false // it is detached
  }
  for (let members = 0; waiting.length > 0; ) {
    const value = waiting.pop()
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue
    const inside = Object.values(value) as unknown[]
    members += inside.length
    if (members > 3000) return true
    waiting = waiting.concat(inside)
  }
  return false
}

function isTreeView(value: unknown): boolean {
  return typeof value === 'object' && viewOf(value) !== undefined
}

/** A value as a text; views as what they show. */
function show(value: unknown): string {
  if (isTreeView(value)) return `view ${show(copy(value as object))}`
  switch (typeof value) {
    case 'string':
      return value.length > 30 ? `${value.slice(0, 30)}... ${value.length}` : value
    case 'object':
      break
    default:
      return Object.is(value, -0) ? '-0' : String(value)
  }
  if (value === null) return 'null'
  if (value instanceof Date) return `date ${value.getTime()}`
  if (value instanceof Uint8Array)
    return `${Buffer.isBuffer(value) ? 'buffer' : 'bytes'} ${[...value].join()}`
  const fields = Object.entries(value).map(([name, field]) => `${name}: ${show(field)}`)
  return Array.isArray(value) ? `[${value.length}: ${fields.join()}]` : `{${fields.join()}}`
}
