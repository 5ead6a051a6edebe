import type { NativeMap as Handle } from '../binding.js'
import type { Decoder } from '../codec/decoder.js'

/** What a cursor needs of its map. */
export interface IterationSource {
  readonly handle: Handle
  readonly decoder: Decoder
  /** Counts changes of the map: records found before one may be gone or have moved. */
  readonly changes: number
  /** Another number whenever records may have moved without a change. */
  readonly moved: number
  /** Throws when the store is closed, or the map was dropped. */
  check(): void
}

export const KEYS = 0
export const VALUES = 1
export const ENTRIES = 2

const LEAST_BATCH = 8
const MOST_BATCH = 256

/**
 * A cursor over the records of a map, with the rules of a JavaScript Map's iterators: in the order of
 * insertion; entries added meanwhile are visited, removed ones are not. The place is kept as a sequence
 * number, so the map need not know of its cursors, and they may be abandoned at any point.
 */
export class RecordCursor {
  /** Arena offset of the current record; good until the map changes or records move. */
  record = 0
  readonly #source: IterationSource
  readonly #end: number
  /** Sequence number from which on entries have not been visited. */
  #from = 1
  #batch: Float64Array = new Float64Array(LEAST_BATCH)
  #count = 0
  #next = 0
  #changes: number
  #moved: number
  #started = false
  #done = false

  /** `end`: entries with this sequence number or higher ones are not visited. */
  constructor(source: IterationSource, end = Infinity) {
    this.#source = source
    this.#end = end
    this.#changes = source.changes
    this.#moved = source.moved
  }

  /** Goes on to the next record; false when there is none, and then for good. */
  step(): boolean {
    const source = this.#source
    if (this.#done) return false
    source.check()
    const isStale = this.#changes !== source.changes || this.#moved !== source.moved
    if ((this.#next === this.#count || isStale) && !this.#refill(isStale)) {
      this.#done = true
      return false
    }
    const record = this.#batch[this.#next++] as number
    const sequence = source.decoder.recordSequence(record)
    if (sequence >= this.#end) {
      this.#done = true
      return false
    }
    this.record = record
    this.#from = sequence + 1
    return true
  }

  #refill(isStale: boolean): boolean {
    const source = this.#source
    if (isStale) {
      // A loop that writes to its map makes every batch worthless after one entry: fetch few.
      if (this.#batch.length > LEAST_BATCH) this.#batch = new Float64Array(LEAST_BATCH)
      this.#changes = source.changes
      this.#moved = source.moved
    } else if (this.#started) {
      if (this.#count < this.#batch.length) return false
      if (this.#batch.length < MOST_BATCH) this.#batch = new Float64Array(4 * this.#batch.length)
    }
    this.#started = true
    this.#next = 0
    this.#count = source.handle.scan(this.#from, this.#batch)
    return this.#count > 0
  }
}

class NativeMapIterator<Result> {
  readonly #cursor: RecordCursor
  readonly #decoder: Decoder
  readonly #kind: number

  constructor(source: IterationSource, kind: number) {
    this.#cursor = new RecordCursor(source)
    this.#decoder = source.decoder
    this.#kind = kind
  }

  next(): IteratorResult<Result, undefined> {
    const cursor = this.#cursor
    if (!cursor.step()) return { value: undefined, done: true }
    const decoder = this.#decoder
    const value =
      this.#kind === KEYS
        ? decoder.recordKey(cursor.record)
        : this.#kind === VALUES
          ? decoder.recordValue(cursor.record)
          : decoder.recordEntry(cursor.record)
    return { value: value as Result, done: false }
  }

  get [Symbol.toStringTag](): string {
    return 'Map Iterator'
  }
}

const iteratorPrototype: object = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()))
Object.setPrototypeOf(NativeMapIterator.prototype, iteratorPrototype)

/** An iterator that has all that a Map's has, the helpers of newer Node versions included. */
export function iterate<Result>(source: IterationSource, kind: number): MapIterator<Result> {
  return new NativeMapIterator<Result>(source, kind) as unknown as MapIterator<Result>
}
