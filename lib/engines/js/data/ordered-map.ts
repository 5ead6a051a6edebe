/**
 * An entry of an OrderedMap, in the ring of all entries. One that was removed has no `next`, and knows which
 * entry was before it when it went.
 */
export interface Entry<K, V> {
  readonly key: K
  value: V
  /** Entries that came later have higher ones. Not used again. */
  readonly sequence: number
  previous: Entry<K, V>
  next: Entry<K, V> | undefined
}

/** How many entries several maps have. */
export interface Tally {
  entries: number
}

/**
 * A map in the order of insertion, as JavaScript's is, in which a removed entry can also be put back in its
 * place, in constant time. Rejected: a JavaScript Map, where all entries behind it would have to be inserted
 * again.
 *
 * The entries form a doubly linked ring. A removed entry keeps its `previous`. That is enough to put it back,
 * once everything done since has been undone. It is also enough for a walk (`Walk`) whose current entry was
 * removed: it goes back to the nearest entry that is still there, and from there on to the first one with a
 * higher sequence. So walks need not be registered with the map, and survive removals, `clear` and rollbacks.
 */
export class OrderedMap<K, V> {
  readonly #index = new Map<K, Entry<K, V>>()
  /** Before the first entry and behind the last one. */
  readonly #ends: Entry<K, V>
  #sequence = 0
  #tally: Tally | undefined

  constructor() {
    const ends = { key: undefined, value: undefined, sequence: 0, next: undefined } as unknown as Entry<K, V>
    ends.previous = ends.next = ends
    this.#ends = ends
  }

  get size(): number {
    return this.#index.size
  }

  /** From now on the tally counts these entries too; undefined: no tally does. */
  countIn(tally: Tally | undefined): void {
    if (this.#tally !== undefined) this.#tally.entries -= this.size
    if (tally !== undefined) tally.entries += this.size
    this.#tally = tally
  }

  get(key: K): V | undefined {
    return this.#index.get(key)?.value
  }

  has(key: K): boolean {
    return this.#index.has(key)
  }

  /** The entry, which may be given another value. */
  find(key: K): Entry<K, V> | undefined {
    return this.#index.get(key)
  }

  /** An entry that is there keeps its place; another one comes last. */
  set(key: K, value: V): void {
    const entry = this.#index.get(key)
    if (entry !== undefined) {
      entry.value = value
      return
    }
    const sequence = ++this.#sequence
    const ownKey = key === 0 ? (0 as K) : key // -0 is 0
    this.#append({ key: ownKey, value, sequence, previous: this.#ends, next: undefined })
  }

  /** The entry that was removed, without its value: a walk that is at it must not keep that alive. */
  delete(key: K): Entry<K, V> | undefined {
    const entry = this.#index.get(key)
    if (entry?.next === undefined) return undefined
    this.#index.delete(entry.key)
    if (this.#tally !== undefined) this.#tally.entries--
    entry.previous.next = entry.next
    entry.next.previous = entry.previous
    entry.next = undefined
    entry.value = undefined as V
    return entry
  }

  /** Puts back what `delete` took. REQUIRES: all that was changed since has been taken back. */
  restore(entry: Entry<K, V>, value: V): void {
    const { previous } = entry
    const next = previous.next as Entry<K, V>
    entry.value = value
    entry.next = next
    previous.next = next.previous = entry
    this.#index.set(entry.key, entry)
    if (this.#tally !== undefined) this.#tally.entries++
  }

  /** Gives all entries, in their order, with their values. */
  clear(): Entry<K, V>[] {
    const entries = [...this.#entries()]
    for (const entry of entries) {
      entry.previous = this.#ends
      entry.next = undefined
    }
    this.#ends.previous = this.#ends.next = this.#ends
    if (this.#tally !== undefined) this.#tally.entries -= this.size
    this.#index.clear()
    return entries
  }

  /** Puts back what `clear` gave. REQUIRES: as of `restore`. */
  restoreAll(entries: readonly Entry<K, V>[]): void {
    for (const entry of entries) this.#append(entry)
  }

  /** A walk through the entries, which begins before the first. */
  walk(): Walk<K, V> {
    return new Walk(this.#ends, Infinity)
  }

  /** The same through those there are now: what comes later is not visited. */
  walkPresent(): Walk<K, V> {
    return new Walk(this.#ends, this.#sequence)
  }

  *[Symbol.iterator](): Generator<[K, V], undefined> {
    for (const { key, value } of this.#entries()) yield [key, value]
    return undefined
  }

  *#entries(): Generator<Entry<K, V>, undefined> {
    const walk = this.walk()
    while (walk.step()) yield walk.entry
    return undefined
  }

  #append(entry: Entry<K, V>): void {
    const ends = this.#ends
    const last = ends.previous
    entry.previous = last
    entry.next = ends
    last.next = ends.previous = entry
    this.#index.set(entry.key, entry)
    if (this.#tally !== undefined) this.#tally.entries++
  }
}

/**
 * Goes through a map as iterators of JavaScript's do: what is there when its turn comes is visited, once.
 */
export class Walk<K, V> {
  /** The current one. REQUIRES: `step` gave true. */
  entry: Entry<K, V>
  readonly #ends: Entry<K, V>
  readonly #last: number
  #isDone = false

  /** `last`: the highest sequence that is visited. */
  constructor(ends: Entry<K, V>, last: number) {
    this.#ends = this.entry = ends
    this.#last = last
  }

  /** Whether `step` has given false. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** Goes on to the next entry; false when there is none, and then for good. */
  step(): boolean {
    if (this.#isDone) return false
    let at = this.entry
    const { sequence } = at
    while (at.next === undefined) at = at.previous
    // More than one step only from an entry that was removed, past what was put back in front of it.
    do at = at.next as Entry<K, V>
    while (at.sequence <= sequence && at !== this.#ends)
    this.entry = at
    this.#isDone = at === this.#ends || at.sequence > this.#last
    return !this.#isDone
  }
}
