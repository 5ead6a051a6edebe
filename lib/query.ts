import { ForkstoreError } from './errors.js'
import type { Key } from './types.js'
import type { Scan, TreeNode } from './tree/tree-engine.js'
import { viewOf } from './tree/view.js'

type Callback<V, N, R> = (value: V, name: N) => R

/**
 * What can be queried in the manner of iterator helpers: a lazy sequence of values with their names, which can be run
 * more than once: each run reads what is there then. Nothing is read before a method that gives a result is called.
 *
 * Values of the tree are live views. Values of maps are views that can only be read, until the store changes next (for
 * which the first `map.live(key)` of an entry counts); what comes out in the end is copied.
 */
export abstract class Queryable<V, N extends Key> {
  /** What is gone through, from the beginning. */
  protected abstract rows(): Scan

  /** Those for which `test` is true. */
  filter<W extends V>(test: (value: V, name: N) => value is W): Query<W, N>
  filter(test: Callback<V, N, unknown>): Query<V, N>
  filter(test: Callback<V, N, unknown>): Query<V, N> {
    checkFunction('filter', test)
    return new Query(() => new Filter(this.rows(), test as Callback<unknown, Key, unknown>))
  }

  /** What `change` makes of each; names stay. */
  map<W>(change: Callback<V, N, W>): Query<W, N> {
    checkFunction('map', change)
    return new Query(() => new Change(this.rows(), change as Callback<unknown, Key, unknown>))
  }

  /** All that `change` gives for each, which must be something iterable, but no string; names stay. */
  flatMap<W>(change: Callback<V, N, Iterable<W>>): Query<W, N> {
    checkFunction('flatMap', change)
    return new Query(() => new Flatten(this.rows(), change as Callback<unknown, Key, Iterable<unknown>>))
  }

  /** The first `count`. */
  take(count: number): Query<V, N> {
    checkCount('take', count)
    return new Query(() => new Take(this.rows(), count))
  }

  /** All but the first `count`. */
  drop(count: number): Query<V, N> {
    checkCount('drop', count)
    return new Query(() => new Drop(this.rows(), count))
  }

  /** How many there are, or for how many `test` is true. */
  count(test?: Callback<V, N, unknown>): number {
    if (test !== undefined) checkFunction('count', test)
    return run(this.rows(), (rows) => {
      let count = 0
      while (rows.next()) if (test === undefined || test(rows.value() as V, rows.name() as N)) count++
      return count
    })
  }

  some(test: Callback<V, N, unknown>): boolean {
    checkFunction('some', test)
    return run(this.rows(), (rows) => {
      while (rows.next()) if (test(rows.value() as V, rows.name() as N)) return true
      return false
    })
  }

  every(test: Callback<V, N, unknown>): boolean {
    checkFunction('every', test)
    return run(this.rows(), (rows) => {
      while (rows.next()) if (!test(rows.value() as V, rows.name() as N)) return false
      return true
    })
  }

  /** The first for which `test` is true, or undefined. */
  find<W extends V>(test: (value: V, name: N) => value is W): W | undefined
  find(test: Callback<V, N, unknown>): V | undefined
  find(test: Callback<V, N, unknown>): V | undefined {
    checkFunction('find', test)
    return run(this.rows(), (rows) => {
      while (rows.next()) {
        const value = rows.value() as V
        if (test(value, rows.name() as N)) return result(value)
      }
      return undefined
    })
  }

  /** As of arrays: without `initial` the first value is taken for it, and an empty query is a TypeError. */
  reduce(combine: (sum: V, value: V, name: N) => V): V
  reduce<S>(combine: (sum: S, value: V, name: N) => S, initial: S): S
  reduce<S>(combine: (sum: S, value: V, name: N) => S, ...initial: [S?]): S {
    checkFunction('reduce', combine)
    return run(this.rows(), (rows) => {
      let sum: S
      if (initial.length > 0) sum = initial[0] as S
      else if (rows.next()) sum = rows.value() as S
      else throw new TypeError('Reduce of a query without values and with no initial value')
      while (rows.next()) sum = combine(sum, rows.value() as V, rows.name() as N)
      return result(sum)
    })
  }

  toArray(): V[] {
    return run(this.rows(), (rows) => {
      const all: V[] = []
      while (rows.next()) all.push(result(rows.value() as V))
      return all
    })
  }
}

/** A query: made by `query(view)` and by the methods of queries and maps. */
export class Query<V = unknown, N extends Key = Key> extends Queryable<V, N> implements Iterable<V> {
  readonly #source: () => Scan

  /** For this library only. */
  constructor(source: () => Scan) {
    super()
    this.#source = source
  }

  protected override rows(): Scan {
    return this.#source()
  }

  forEach(call: Callback<V, N, void>): void {
    checkFunction('forEach', call)
    run(this.rows(), (rows) => {
      while (rows.next()) call(rows.value() as V, rows.name() as N)
    })
  }

  *[Symbol.iterator](): Generator<V, undefined> {
    const rows = this.rows()
    try {
      while (rows.next()) yield result(rows.value() as V)
    } finally {
      rows.close?.()
    }
    return undefined
  }
}

/** Goes through the rows, and closes them in the end; as in the language, an error goes before one of closing. */
function run<R>(rows: Scan, body: (rows: Scan) => R): R {
  let given: R
  try {
    given = body(rows)
  } catch (error) {
    try {
      rows.close?.()
    } catch {
      // The first error says more.
    }
    throw error
  }
  rows.close?.()
  return given
}

/** What is seen of a map's value is good until the store changes: out of a query goes a copy. */
function result<V>(value: V): V {
  const node: TreeNode | undefined = typeof value === 'object' ? viewOf(value) : undefined
  return node?.isReadOnly === true ? (node.tree.copy(node) as V) : value
}

/** What goes through other rows: names are theirs, and it closes them. */
abstract class Stage implements Scan {
  constructor(readonly rows: Scan) {}

  abstract next(): boolean
  abstract value(): unknown

  name(): Key {
    return this.rows.name()
  }

  close(): void {
    this.rows.close?.()
  }
}

class Filter extends Stage {
  #value: unknown

  constructor(
    rows: Scan,
    readonly test: Callback<unknown, Key, unknown>,
  ) {
    super(rows)
  }

  next(): boolean {
    const { rows, test } = this
    while (rows.next()) {
      this.#value = rows.value()
      if (test(this.#value, rows.name())) return true
    }
    return false
  }

  value(): unknown {
    return this.#value
  }
}

class Change extends Stage {
  #value: unknown

  constructor(
    rows: Scan,
    readonly change: Callback<unknown, Key, unknown>,
  ) {
    super(rows)
  }

  next(): boolean {
    const { rows, change } = this
    if (!rows.next()) return false
    this.#value = change(rows.value(), rows.name())
    return true
  }

  value(): unknown {
    return this.#value
  }
}

class Flatten extends Stage {
  #inner: Iterator<unknown> | undefined
  #value: unknown

  constructor(
    rows: Scan,
    readonly change: Callback<unknown, Key, Iterable<unknown>>,
  ) {
    super(rows)
  }

  next(): boolean {
    const { rows, change } = this
    for (;;) {
      let inner = this.#inner
      if (inner === undefined) {
        if (!rows.next()) return false
        inner = iteratorOf(change(rows.value(), rows.name()))
      }
      // One that fails is not closed.
      this.#inner = undefined
      const step = inner.next()
      if (step.done !== true) {
        this.#inner = inner
        this.#value = step.value
        return true
      }
    }
  }

  override close(): void {
    const inner = this.#inner
    this.#inner = undefined
    try {
      inner?.return?.()
    } finally {
      super.close()
    }
  }

  value(): unknown {
    return this.#value
  }
}

class Take extends Stage {
  #left: number

  constructor(rows: Scan, count: number) {
    super(rows)
    this.#left = count
  }

  next(): boolean {
    if (this.#left > 0) {
      this.#left--
      return this.rows.next()
    }
    this.close()
    return false
  }

  value(): unknown {
    return this.rows.value()
  }
}

class Drop extends Stage {
  #left: number

  constructor(rows: Scan, count: number) {
    super(rows)
    this.#left = count
  }

  next(): boolean {
    for (; this.#left > 0; this.#left--) if (!this.rows.next()) return false
    return this.rows.next()
  }

  value(): unknown {
    return this.rows.value()
  }
}

function iteratorOf(value: Iterable<unknown>): Iterator<unknown> {
  if (typeof value !== 'object' || value === null || typeof value[Symbol.iterator] !== 'function') {
    throw invalid('flatMap: what the callback returns must be an array or something else that is iterable')
  }
  return value[Symbol.iterator]()
}

function checkFunction(method: string, given: unknown): void {
  if (typeof given !== 'function') throw invalid(`${method}: the callback must be a function`)
}

function checkCount(method: string, given: unknown): void {
  if (given !== Infinity && !(Number.isInteger(given) && (given as number) >= 0)) {
    throw invalid(`${method}: the count must be an integer from 0, or Infinity`)
  }
}

function invalid(message: string): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', message)
}
