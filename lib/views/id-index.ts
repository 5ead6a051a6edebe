const LEAST_SLOTS = 1024
const FREE = -1

/**
 * A map from numbers to small integers, for many that come and go at random: open addressing in two typed arrays. A
 * third of the time and a quarter of the memory of a `Map`.
 */
export class IdIndex {
  #ids = new Float64Array(LEAST_SLOTS).fill(FREE)
  #values = new Int32Array(LEAST_SLOTS)
  #mask = LEAST_SLOTS - 1
  #count = 0

  /** -1: not there. */
  get(id: number): number {
    const ids = this.#ids
    const mask = this.#mask
    for (let at = home(id) & mask; ; at = (at + 1) & mask) {
      const found = ids[at]
      if (found === id) return this.#values[at] as number
      if (found === FREE) return -1
    }
  }

  /** REQUIRES: value is not negative. */
  set(id: number, value: number): void {
    // At most half full.
    if (2 * this.#count >= this.#mask) this.#resize(2 * (this.#mask + 1))
    const ids = this.#ids
    const mask = this.#mask
    let at = home(id) & mask
    while (ids[at] !== id && ids[at] !== FREE) at = (at + 1) & mask
    if (ids[at] === FREE) this.#count++
    ids[at] = id
    this.#values[at] = value
  }

  delete(id: number): void {
    const ids = this.#ids
    const values = this.#values
    const mask = this.#mask
    let hole = home(id) & mask
    for (; ids[hole] !== id; hole = (hole + 1) & mask) if (ids[hole] === FREE) return
    // What stands behind and would not be found across the hole moves into it.
    for (let at = (hole + 1) & mask; ids[at] !== FREE; at = (at + 1) & mask) {
      const distance = (at - (home(ids[at] as number) & mask)) & mask
      if (distance < ((at - hole) & mask)) continue
      ids[hole] = ids[at] as number
      values[hole] = values[at] as number
      hole = at
    }
    ids[hole] = FREE
    this.#count--
    if (mask >= LEAST_SLOTS && 16 * this.#count < mask) this.#resize((mask + 1) / 4)
  }

  clear(): void {
    this.#count = 0
    this.#resize(LEAST_SLOTS)
    this.#ids.fill(FREE)
  }

  #resize(slots: number): void {
    const ids = this.#ids
    const values = this.#values
    const size = Math.max(slots, LEAST_SLOTS)
    this.#ids = new Float64Array(size).fill(FREE)
    this.#values = new Int32Array(size)
    this.#mask = size - 1
    this.#count = 0
    for (let at = 0; at < ids.length; at++) {
      if (ids[at] !== FREE) this.set(ids[at] as number, values[at] as number)
    }
  }
}

/** Numbers that follow one another must not end up in a row: rows grow together. */
function home(id: number): number {
  const hash = Math.imul(id, 0x9e3779b1)
  return hash ^ (hash >>> 15)
}
