/** The record of every benchmark: what a server keeps for each of its customers. */
export interface Customer {
  name: string
  email: string
  visits: number
  active: boolean
}

/** Distinct for each `i` below 2^30, ten digits, and far from its neighbours in any order of keys. */
function scatter(i: number): number {
  return 1_000_000_000 + (Math.imul(i, 0x9e3779b1) & 0x3fffffff)
}

/**
 * The key of record `i`: 19 characters, a new string at each call. A key that arrives with a request is
 * new too: it has no hash yet, and is not the very object that the map holds.
 */
export function keyOf(i: number): string {
  return `customer:${scatter(i)}`
}

/** Record `i` with strings of its own. `version` changes some fields and no lengths. */
export function recordOf(i: number, version = 0): Customer {
  const id = scatter(i)
  const email = `${id}@example.org`
  // Reading a character makes V8 replace the concatenation by one flat string, as a parser gives them:
  // a Map would otherwise keep both halves.
  const active = email.charCodeAt(9) + version !== 0x30
  return { name: `Ada ${id % 1_000_000}`, email, visits: (i + version) & 1023, active }
}

/** An object in an object, as in the tree of a server's users. */
export interface User {
  name: string
  visits: number
  options: { newsletter: boolean; theme: string; language: string; pageSize: number }
}

/** The key of user `i`: 22 characters, a new string at each call. */
export function emailOf(i: number): string {
  return `${scatter(i)}@example.org`
}

/** User `i`; one in four takes the newsletter. */
export function userOf(i: number): User {
  const id = scatter(i)
  return {
    name: `Ada ${id % 1_000_000}`,
    visits: i & 1023,
    options: {
      newsletter: (i & 3) === 0,
      theme: (i & 4) === 0 ? 'dark' : 'light',
      language: (i & 8) === 0 ? 'en' : 'de',
      pageSize: 20 + (i & 31),
    },
  }
}

/** Reads every field, so that nobody gains by leaving one undecoded. */
export function consume(record: Customer): number {
  return record.name.length + record.email.length + record.visits + (record.active ? 1 : 0)
}

/** Random record numbers below `count`, the same sequence for every contender (xorshift32). */
export class RandomIndex {
  #state: number
  readonly #count: number

  constructor(count: number, seed = 0x2545f491) {
    this.#count = count
    this.#state = seed
  }

  next(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) % this.#count
  }
}
