import { inspect, type InspectOptionsStylized } from 'node:util'
import { invalid, notConstructible, outOfRange, refuseJson } from '../base/errors.js'
import { showAs } from '../base/inspection.js'
import { checkReceivers, isObject } from '../base/receivers.js'
import { type Callback, Change, Drop, Filter, Flatten, Names, Take } from './query-stages.js'
import { Results } from './query-results.js'
import { type Comparable, TopRows } from './top-rows.js'
import type { Key } from '../base/types.js'
import { uncloneable } from '../base/uncloneable.js'
import { type Scan, TreeNode } from '../contract/tree-engine.js'
import { describePlace } from '../views/place.js'
import { describeKey } from '../base/value-errors.js'

/** What is gone through, from the beginning. A symbol, as it is for this library only. */
export const ROWS: unique symbol = Symbol('rows')

/** Rows that are numbers need no callback. */
export type NumberOf<V, N> = By<V, N, number, number>
export type ValueOf<V, N, T extends Comparable> = By<V, N, T, Comparable>

type By<V, N, T, Own> = [V] extends [Own | null | undefined]
  ? [by?: Callback<V, N, T | null | undefined>]
  : [by: Callback<V, N, T | null | undefined>]

/**
 * What can be queried in the manner of iterator helpers: a lazy sequence of values with their names, which
 * can be run more than once: each run reads what is there then. Nothing is read before a method that gives a
 * result is called.
 *
 * A run goes through what was there when it began, as far as it is still there when its turn comes. What is
 * added on the way is not visited, and a member or entry that was removed and set again was added; of an
 * array, the indexes below the length at the beginning are visited, with what they hold then.
 *
 * Values of the tree are live views, and stay so when they come out, alone or in what a callback has made of them:
 * `query(view).map(copy)` makes them plain. Values of maps are views that can only be read, until the store
 * changes next (for which the first `map.live(key)` of an entry counts), and not beyond the turn. What comes
 * out in the end is plain data of the caller's own at every depth: such a view is copied wherever a callback
 * has put it (in objects, arrays, Maps and Sets, and in members of instances). What a callback keeps
 * elsewhere it has to copy (`copy(row)`): the view throws `ERR_FORKSTORE_DETACHED` after the next change, and
 * the message says so.
 */
export abstract class Queryable<V, N extends Key> {
  static {
    checkReceivers(this.prototype, (value) => isObject(value) && #measure in value, 'query')
  }

  abstract [ROWS](): Scan

  /** Those for which `test` is true. */
  filter<W extends V>(test: (value: V, name: N) => value is W): Query<W, N>
  filter(test: Callback<V, N, unknown>): Query<V, N>
  filter(test: Callback<V, N, unknown>): Query<V, N> {
    checkFunction('filter', test)
    return new Query(() => new Filter(this[ROWS](), test as Callback<unknown, Key, unknown>), this, 'filter')
  }

  /** What `change` makes of each; names stay. */
  map<W>(change: Callback<V, N, W>): Query<W, N> {
    checkFunction('map', change)
    return new Query(() => new Change(this[ROWS](), change as Callback<unknown, Key, unknown>), this, 'map')
  }

  /** All that `change` gives for each, which must be something iterable, but no string; names stay. */
  flatMap<W>(change: Callback<V, N, Iterable<W>>): Query<W, N> {
    checkFunction('flatMap', change)
    return new Query(
      () => new Flatten(this[ROWS](), change as Callback<unknown, Key, Iterable<unknown>>),
      this,
      'flatMap',
    )
  }

  /** The first `count`. */
  take(count: number): Query<V, N> {
    checkCount('take', count)
    return new Query(() => new Take(this[ROWS](), count), this, 'take', count)
  }

  /** All but the first `count`. */
  drop(count: number): Query<V, N> {
    checkCount('drop', count)
    return new Query(() => new Drop(this[ROWS](), count), this, 'drop', count)
  }

  /** How many there are, or for how many `test` is true. */
  count(test?: Callback<V, N, unknown>): number {
    if (test !== undefined) checkFunction('count', test)
    return run(this[ROWS](), (rows) => {
      let count = 0
      while (rows.next()) if (test === undefined || test(rows.value() as V, rows.name() as N)) count++
      return count
    })
  }

  some(test: Callback<V, N, unknown>): boolean {
    checkFunction('some', test)
    return run(this[ROWS](), (rows) => {
      while (rows.next()) if (test(rows.value() as V, rows.name() as N)) return true
      return false
    })
  }

  every(test: Callback<V, N, unknown>): boolean {
    checkFunction('every', test)
    return run(this[ROWS](), (rows) => {
      while (rows.next()) if (!test(rows.value() as V, rows.name() as N)) return false
      return true
    })
  }

  /** The first for which `test` is true, or undefined. */
  find<W extends V>(test: (value: V, name: N) => value is W): W | undefined
  find(test: Callback<V, N, unknown>): V | undefined
  find(test: Callback<V, N, unknown>): V | undefined {
    checkFunction('find', test)
    return run(this[ROWS](), (rows, results) => {
      while (rows.next()) {
        const value = rows.value() as V
        if (test(value, rows.name() as N)) return results.of(value)
      }
      return undefined
    })
  }

  /**
   * As of arrays: without `initial` the first value is taken for it, and an empty query is a TypeError
   * (`ERR_FORKSTORE_INVALID_ARGUMENT`).
   */
  reduce(combine: (sum: V, value: V, name: N) => V): V
  reduce<S>(combine: (sum: S, value: V, name: N) => S, initial: S): S
  reduce<S>(combine: (sum: S, value: V, name: N) => S, ...initial: [S?]): S {
    checkFunction('reduce', combine)
    return run(this[ROWS](), (rows, results) => {
      let sum: S
      if (initial.length > 0) sum = initial[0] as S
      else if (rows.next()) sum = rows.value() as S
      else throw invalid('reduce: the query has no values, and there is no initial value')
      while (rows.next()) sum = combine(sum, rows.value() as V, rows.name() as N)
      return results.of(sum)
    })
  }

  toArray(): V[] {
    return run(this[ROWS](), (rows, results) => {
      const all: V[] = []
      while (rows.next()) all.push(results.of(rows.value() as V))
      return all
    })
  }

  /**
   * As of arrays, in a new array: without `compare` by their texts; those that compare as equal stay in their
   * order.
   */
  toSorted(compare?: (one: V, other: V) => number): V[] {
    if (compare !== undefined) checkFunction('toSorted', compare)
    return this.toArray().sort(compare)
  }

  /** In a new Map, as `Map.groupBy` does: what `by` gives, with the array of those that it gives it for. */
  groupBy<G>(by: Callback<V, N, G>): Map<G, V[]> {
    checkFunction('groupBy', by)
    return run(this[ROWS](), (rows, results) => {
      const groups = new Map<G, V[]>()
      while (rows.next()) {
        const value = rows.value() as V
        const name = results.of(by(value, rows.name() as N))
        const group = groups.get(name)
        if (group === undefined) groups.set(name, [results.of(value)])
        else group.push(results.of(value))
      }
      return groups
    })
  }

  /**
   * The `count` rows with the largest `by`, the largest first; equal ones in their order. It takes memory for
   * so many rows only. `by` is as of `max`.
   */
  top<T extends Comparable>(count: number, ...by: ValueOf<V, N, T>): V[]
  top(count: number, by?: Callback<V, N, unknown>): V[] {
    checkCount('top', count)
    const top = new TopRows<V>(count)
    this.#measure('top', by, (measure, value) => top.add(measure, () => new Results().of(value)))
    return top.rows()
  }

  /**
   * The sum of what `by` gives, or of the rows themselves; 0 when there are none. Rows for which it gives
   * undefined, null or NaN are passed over; anything else that is no number is an
   * `ERR_FORKSTORE_INVALID_ARGUMENT`.
   */
  sum(...by: NumberOf<V, N>): number
  sum(by?: Callback<V, N, unknown>): number {
    let sum = 0
    this.#measure('sum', by, (measure) => {
      if (typeof measure !== 'number') throw invalid('sum: only numbers can be added up')
      sum += measure
    })
    return sum
  }

  /** The smallest of what `by` gives (for the row: `top`), or of the rows themselves; see `max`. */
  min<T extends Comparable = Extract<V, Comparable>>(...by: ValueOf<V, N, T>): T | undefined
  min(by?: Callback<V, N, unknown>): Comparable | undefined {
    let least: Comparable | undefined
    this.#measure('min', by, (measure) => {
      if (least === undefined || measure < least) least = measure
    })
    return least
  }

  /**
   * The largest of what `by` gives (for the row: `top(1, by)`), or of the rows themselves; undefined when
   * there are none. Numbers and bigints, strings, or Dates. Rows for which it gives undefined, null, NaN or
   * an invalid Date are passed over; anything else, or kinds that cannot be compared, is an
   * `ERR_FORKSTORE_INVALID_ARGUMENT`.
   */
  max<T extends Comparable = Extract<V, Comparable>>(...by: ValueOf<V, N, T>): T | undefined
  max(by?: Callback<V, N, unknown>): Comparable | undefined {
    let most: Comparable | undefined
    this.#measure('max', by, (measure) => {
      if (most === undefined || measure > most) most = measure
    })
    return most
  }

  /** Calls `use` with what `by` gives for each row, where that can be compared. */
  #measure(
    method: string,
    by: Callback<V, N, unknown> | undefined,
    use: (measure: Comparable, value: V) => void,
  ): void {
    if (by !== undefined) checkFunction(method, by)
    run(this[ROWS](), (rows) => {
      let kind: string | undefined
      while (rows.next()) {
        const value = rows.value() as V
        const measure = by === undefined ? value : by(value, rows.name() as N)
        if (measure === undefined || measure === null) continue
        const own = kindOf(method, measure)
        if (Number.isNaN(own === 'Date' ? (measure as Date).getTime() : measure)) continue
        if (own !== (kind ??= own)) throw invalid(`${method}: a ${own} cannot be compared with a ${kind}`)
        use(measure as Comparable, value)
      }
    })
  }
}

/** A query: made by `query(view)` and by the methods of queries and maps. */
export class Query<V = unknown, N extends Key = Key> extends Queryable<V, N> implements Iterable<V> {
  readonly #source: () => Scan
  /** What it goes through: a query, a map, or a node of the tree; then by which method, with which count. */
  readonly #of: object
  readonly #method: string | undefined
  readonly #count: number | undefined

  static {
    checkReceivers(this.prototype, (value) => isObject(value) && #source in value, 'query')
  }

  /** For this library only. */
  constructor(source: () => Scan, of: object, method?: string, count?: number) {
    super()
    if (!isObject(of)) throw notConstructible('Query', 'query(view) and the methods of maps')
    this.#source = source
    this.#of = of
    this.#method = method
    this.#count = count
    uncloneable(this)
  }

  override [ROWS](): Scan {
    return this.#source()
  }

  /** The names: of members, of entries (their keys), or indexes. A query again, which can also be iterated over. */
  keys(): Query<N, N> {
    return new Query(() => new Names(this[ROWS]()), this, 'keys')
  }

  /** Pairs of name and value, in the same way. */
  entries(): Query<[N, V], N> {
    return this.map((value, name) => [name, value])
  }

  /** Throws `ERR_FORKSTORE_INVALID_ARGUMENT`: `JSON.stringify(query.toArray())` is meant. */
  toJSON(...key: unknown[]): object {
    return refuseJson(this, key, 'a query', 'query.toArray()')
  }

  [inspect.custom](
    depth: number | null,
    options: InspectOptionsStylized,
    inspectValue: typeof inspect,
  ): string {
    // What test runners make with the prototype of a query is none.
    if (!(#source in this)) return 'Query {}'
    return showAs('Query', Query.#describe(this), depth, options, inspectValue)
  }

  /** The map or the object of the tree, and the methods from there on. */
  static #describe(at: object): { of: string; stages: string[] } {
    const stages: string[] = []
    for (; #source in at; at = at.#of) {
      if (at.#method === undefined) continue
      stages.unshift(at.#count === undefined ? at.#method : `${at.#method}(${at.#count})`)
    }
    if (at instanceof TreeNode) return { of: describePlace(at), stages }
    return { of: `map ${describeKey((at as { name?: unknown }).name)}`, stages }
  }

  forEach(call: Callback<V, N, void>): void {
    checkFunction('forEach', call)
    run(this[ROWS](), (rows) => {
      while (rows.next()) call(rows.value() as V, rows.name() as N)
    })
  }

  *[Symbol.iterator](): Generator<V, undefined> {
    const rows = this[ROWS]()
    try {
      while (rows.next()) yield new Results().of(rows.value() as V)
    } finally {
      rows.close?.()
    }
    return undefined
  }
}

/** Goes through the rows, and closes them in the end; as in the language, an error goes before one of closing. */
function run<R>(rows: Scan, body: (rows: Scan, results: Results) => R): R {
  const results = new Results()
  let given: R
  try {
    given = body(rows, results)
    results.finish()
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

function kindOf(method: string, measure: unknown): string {
  const kind = typeof measure
  if (kind === 'number' || kind === 'bigint') return 'number'
  if (kind === 'string') return kind
  if (measure instanceof Date) return 'Date'
  throw invalid(
    `${method}: the callback must give a number, bigint, string or Date, or undefined to pass a row over`,
  )
}

function checkFunction(method: string, given: unknown): void {
  if (typeof given !== 'function') throw invalid(`${method}: the callback must be a function`)
}

function checkCount(method: string, given: unknown): void {
  if (given !== Infinity && !(Number.isInteger(given) && (given as number) >= 0)) {
    const message = `${method}: the count must be an integer from 0, or Infinity`
    throw typeof given === 'number' ? outOfRange(message) : invalid(message)
  }
}
