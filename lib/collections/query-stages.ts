import { invalid } from '../base/errors.js'
import type { Key } from '../base/types.js'
import type { Scan } from '../contract/tree-engine.js'

/** What a query is made of: each goes through the rows of the one before it. */

/** What the methods of queries call with each row: its value, and its name, index or key. */
export type Callback<V, N, R> = (value: V, name: N) => R

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

/** What calls back for each row, and keeps what it is to show then. */
abstract class Calling<R> extends Stage {
  protected shown: unknown

  constructor(
    rows: Scan,
    readonly call: Callback<unknown, Key, R>,
  ) {
    super(rows)
  }

  value(): unknown {
    return this.shown
  }
}

export class Filter extends Calling<unknown> {
  next(): boolean {
    const { rows, call } = this
    while (rows.next()) {
      this.shown = rows.value()
      if (call(this.shown, rows.name())) return true
    }
    return false
  }
}

export class Change extends Calling<unknown> {
  next(): boolean {
    const { rows, call } = this
    if (!rows.next()) return false
    this.shown = call(rows.value(), rows.name())
    return true
  }
}

export class Flatten extends Calling<Iterable<unknown>> {
  #inner: Iterator<unknown> | undefined

  next(): boolean {
    const { rows, call } = this
    for (;;) {
      let inner = this.#inner
      if (inner === undefined) {
        if (!rows.next()) return false
        inner = iteratorOf(call(rows.value(), rows.name()))
      }
      // One that fails is not closed.
      this.#inner = undefined
      const step = inner.next()
      if (!isResult(step))
        throw invalid(`flatMap: ${describe(step)} is no result of an iterator: it must be an object`)
      if (!step.done) {
        this.#inner = inner
        this.shown = step.value
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
}

export class Take extends Stage {
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

export class Drop extends Stage {
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

/** The names, without a look at what has them. */
export class Names extends Stage {
  next(): boolean {
    return this.rows.next()
  }

  value(): unknown {
    return this.rows.name()
  }
}

function iteratorOf(value: Iterable<unknown>): Iterator<unknown> {
  if (typeof value !== 'object' || value === null || typeof value[Symbol.iterator] !== 'function') {
    throw invalid('flatMap: what the callback returns must be an array or something else that is iterable')
  }
  return value[Symbol.iterator]()
}

/** As in the language. Of anything else `done` says nothing, and it would be read for ever. */
function isResult(step: unknown): step is IteratorResult<unknown> {
  return (typeof step === 'object' && step !== null) || typeof step === 'function'
}

function describe(what: unknown): string {
  return typeof what === 'string' ? 'a string' : typeof what === 'symbol' ? 'a symbol' : String(what)
}
