/* eslint-disable @typescript-eslint/no-dynamic-delete -- deleting members of a tree is what is tested */
import { describe, expect, test } from 'vitest'
import { copy, ForkstoreError } from '../lib/index.js'
import type { AnyRoot, ForkstoreMap, Key, Store } from '../lib/index.js'
import { expectSame } from './support/expect.js'
import { crashCopy } from './support/log-files.js'
import { Stores } from './support/stores.js'
import { copyPlain } from './support/tree-model.js'
import { isContainer } from './support/views.js'

/**
 * Random programs on a store whose arena is nearly full, so that any operation may be refused for want of
 * memory at any point of it: outside of transactions and within, where the refusal is caught, or ends the
 * transaction. Plain data are changed beside it, only by what was not refused. What a seed gives is always
 * the same.
 */

type Plain = Record<string, unknown>
type Random = (below: number) => number

function randomOf(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

function setField(object: Plain, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
}

const names = ['a', 'b', 'c', '0', '7', '__proto__', 'length', '', 'ünï', 'x'.repeat(150), '\ud800']

class Thrown extends Error {}

class Program {
  refused = 0
  refusedWithin = 0
  endedByRefusal = 0
  done = 0
  readonly #random: Random
  readonly #store: Store
  readonly #map: ForkstoreMap<Key, unknown>
  #data: Plain = {}
  #entries = new Map<string, unknown>()
  #depth = 0

  constructor(store: Store, seed: number) {
    this.#random = randomOf(seed)
    this.#store = store
    this.#map = store.map('map')
  }

  /** Takes memory until none is left for small things either, and gives a little back. */
  fill(): void {
    const filler: string[] = []
    this.#store.root['filler'] = []
    for (const size of [60_000, 3000, 200, 20]) {
      try {
        for (;;) {
          const text = 'f'.repeat(size + this.#random(size))
          ;(this.#store.root['filler'] as string[]).push(text)
          filler.push(text)
        }
      } catch (error) {
        this.#assertFull(error)
      }
    }
    const kept = filler.length - this.#random(20)
    ;(this.#store.root['filler'] as string[]).length = filler.length = kept
    this.#data['filler'] = filler
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      if (this.#random(5) === 0) this.#transaction()
      else this.#operate()
      if (step % 10 === 0) this.check()
    }
    this.check()
  }

  check(store = this.#store): void {
    const map = store.map('map')
    expectSame(copy(store.root), this.#data)
    expectSame([...map], [...this.#entries])
    expectSame(map.size, this.#entries.size)
  }

  #transaction(): void {
    const random = this.#random
    const data = copyPlain(this.#data)
    const entries = new Map([...this.#entries].map(([key, value]) => [key, copyPlain(value)]))
    const isThrown = random(2) === 0
    this.#depth++
    try {
      this.#store.transaction(() => {
        for (let left = random(10); left > 0; left--) {
          if (this.#depth < 3 && random(6) === 0) this.#transaction()
          else this.#operate(random(4) === 0)
        }
        if (isThrown) throw new Thrown()
      })
    } catch (error) {
      if (!(error instanceof Thrown)) {
        this.#assertFull(error)
        this.endedByRefusal++
      }
      this.#data = data
      this.#entries = entries
    }
    this.#depth--
    this.check()
  }

  /** One operation on both; `mayEnd`: a refusal ends the transaction. */
  #operate(mayEnd = false): void {
    const seed = this.#random(2 ** 31)
    const [view, data] = this.#place()
    const apply = this.#operation(randomOf(seed), data)
    try {
      apply(view as never, this.#map as never)
    } catch (error) {
      this.#assertFull(error)
      this.refused++
      if (this.#depth > 0) this.refusedWithin++
      if (mayEnd && this.#depth > 0) throw error
      this.check()
      return
    }
    this.done++
    apply(data as never, this.#entries as never)
  }

  /** Some container, in the tree or in the map. */
  #place(): [view: object, data: object] {
    const random = this.#random
    let [view, data]: [object, object] = [this.#store.root, this.#data]
    const keys = [...this.#entries.keys()]
    const key = keys[random(Math.max(1, keys.length))]
    if (key !== undefined && random(3) === 0 && isContainer(this.#entries.get(key))) {
      const live = this.#live(key)
      if (live !== undefined) [view, data] = [live, this.#entries.get(key) as object]
    }
    while (random(10) < 7) {
      const inner = Object.keys(data).filter(
        (name) => name !== 'filler' && isContainer((data as Plain)[name]),
      )
      const name = inner[random(Math.max(1, inner.length))]
      if (name === undefined) break
      view = (view as Plain)[name] as object
      data = (data as Plain)[name] as object
    }
    return [view, data]
  }

  /** Making nodes of an entry takes memory, too. */
  #live(key: string): object | undefined {
    try {
      return this.#map.live(key) as object
    } catch (error) {
      this.#assertFull(error)
      this.refused++
      return undefined
    }
  }

  #operation(
    random: Random,
    data: object,
  ): (target: AnyRoot & unknown[], map: ForkstoreMap<Key, unknown>) => void {
    const first = someValue(random, 3)
    const second = someValue(random, 2)
    const value = <V>(given: V): V => copyPlain(given)
    const key = `entry ${random(20)}`
    const kind = random(12)
    if (kind === 0) return (_, map) => map.set(key, value(first))
    if (kind === 1) return (_, map) => map.delete(key)
    if (kind === 2 && random(8) === 0) return (_, map) => map.clear()
    if (kind === 3) {
      const before = this.#entries.get(key)
      if (!isContainer(before) || Array.isArray(before))
        return (_, map) => map.set(key, { first: value(first) })
      return (_, map) => {
        const fields = { first: value(first), second: value(second) }
        if (map instanceof Map)
          for (const [name, field] of Object.entries(fields)) setField(before as Plain, name, field) // prettier-ignore
        else map.patch(key, fields)
      }
    }
    return Array.isArray(data) ? onArray(random, data.length, first, second) : onObject(random, data, first)
  }

  #assertFull(error: unknown): void {
    if (!(error instanceof ForkstoreError) || error.code !== 'ERR_FORKSTORE_FULL') throw error
  }
}

function someValue(random: Random, depth: number): unknown {
  const kind = random(depth === 0 ? 6 : 10)
  if (kind < 2) return random(2) === 0 ? random(100) : -0
  if (kind === 2) return 'y'.repeat(random(400))
  if (kind === 3) return [null, undefined, NaN, true, 1.5][random(5)]
  if (kind === 4) return 10n ** BigInt(random(40))
  if (kind === 5) return random(2) === 0 ? new Date(random(1000)) : Buffer.alloc(random(300), 1)
  const count = random(20) === 0 ? 100 + random(200) : random(5)
  if (kind < 8) {
    const items = new Array<unknown>(count)
    for (let index = 0; index < count; index++) if (random(8) > 0) items[index] = someValue(random, depth - 1)
    return items
  }
  const object: Plain = {}
  for (let index = 0; index < count; index++) {
    const name = count > 50 ? `member ${index}` : (names[random(names.length)] as string)
    setField(object, name, someValue(random, depth - 1))
  }
  return object
}

function onArray(
  random: Random,
  length: number,
  first: unknown,
  second: unknown,
): (target: unknown[]) => unknown {
  const one = (): unknown => copyPlain(first)
  const other = (): unknown => copyPlain(second)
  const at = random(length + 3)
  const count = random(4)
  const kinds: ((target: unknown[]) => unknown)[] = [
    (target) => target.push(one(), other()),
    (target) => target.unshift(one()),
    (target) => target.splice(at, count, one(), other(), one()),
    (target) => target.splice(at, 50),
    (target) => (target[at] = one()),
    (target) => target.push(...new Array<unknown>(length > 500 ? 1 : 200).fill(3)),
    (target) => target.pop(),
    (target) => target.shift(),
    (target) => delete target[at],
    (target) => target.reverse(),
    (target) => (target.length = Math.min(at, 1000)),
  ]
  return kinds[random(kinds.length)]!
}

function onObject(random: Random, data: object, first: unknown): (target: Plain) => unknown {
  const held = Object.keys(data).filter((name) => name !== 'filler')
  const chosen = held[random(Math.max(1, held.length))]
  const kind = random(4)
  if (kind === 0 && chosen !== undefined) return (target) => delete target[chosen]
  const name = kind === 1 ? `member ${random(300)}` : (names[random(names.length)] as string)
  return (target) => {
    // An assignment to the plain object would touch its prototype.
    if (target === data) setField(target, name, copyPlain(first))
    else target[name] = copyPlain(first)
  }
}

describe.runIf(process.platform === 'linux')('random programs in an arena that runs full', () => {
  const stores = new Stores('native', { maxBytes: 2 ** 22, durability: 'commit', snapshot: false })

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('seed %i', async (seed) => {
    const store = await stores.open(stores.directory())
    const program = new Program(store, seed)
    program.fill()
    program.run(220)
    // A replay has more room than the store had: what was done for want of it is not done otherwise then.
    await store.commit()
    program.check(await stores.open(crashCopy(store.path!)))
    const { done, refused, refusedWithin, endedByRefusal } = program
    expect(done).toBeGreaterThan(50)
    expect(refused).toBeGreaterThan(10)
    expect(refusedWithin).toBeGreaterThan(0)
    expect(endedByRefusal).toBeGreaterThan(0)
  })
})
