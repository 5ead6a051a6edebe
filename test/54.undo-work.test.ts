import { afterEach, describe, expect, test, vi } from 'vitest'
import { JsMap } from '../lib/engines/js/data/map.js'
import { MapContents, type MapOwner } from '../lib/engines/js/data/map-contents.js'
import { OrderedMap } from '../lib/engines/js/data/ordered-map.js'
import { JsTree } from '../lib/engines/js/data/tree.js'
import type { TreeOwner } from '../lib/engines/js/data/tree-reader.js'
import { Undo } from '../lib/engines/js/data/undo.js'
import { viewOf } from '../lib/views/view.js'
import type { AnyRoot, Key } from '../lib/index.js'
import { Program } from './support/program.js'
import { Stores } from './support/stores.js'

/** Undo costs in proportion to what was changed, not to the store: work and bytes are counted, not time. */

const SMALL = 200
const LARGE = 5000
const CHANGES = 25

/** What was touched of the data: members, entries and their links. */
let work = 0

afterEach(() => vi.restoreAllMocks())

/** A plain object that counts. */
function countedObject(members: Record<string, unknown>): Record<string, unknown> {
  const count = <A extends unknown[], R>(run: (...given: A) => R): ((...given: A) => R) => {
    return (...given) => {
      work++
      return run(...given)
    }
  }
  return new Proxy(members, {
    get: count(Reflect.get),
    set: count(Reflect.set),
    has: count(Reflect.has),
    deleteProperty: count(Reflect.deleteProperty),
    defineProperty: count(Reflect.defineProperty),
    getOwnPropertyDescriptor: count(Reflect.getOwnPropertyDescriptor),
    ownKeys(target) {
      const keys = Reflect.ownKeys(target)
      work += keys.length
      return keys
    },
  })
}

/** An ordered map of so many entries, whose links count. */
function countedMap(size: number): OrderedMap<Key, unknown> {
  const map = new OrderedMap<Key, unknown>()
  for (let n = 0; n < size; n++) map.set(n, { n })
  for (const walk = map.walk(); walk.step(); ) {
    for (const name of ['previous', 'next'] as const) {
      const { entry } = walk
      let link = entry[name]
      Object.defineProperty(entry, name, {
        get: () => (work++, link),
        set: (to: typeof link) => (work++, (link = to)),
      })
    }
  }
  return map
}

class Owner implements MapOwner {
  readonly tally = { entries: 0 }
  changes = 0
  readonly undo = new Undo()
  readonly isLogged = false
  readonly tree: JsTree
  readonly scopes = 0
  keptScopes = Infinity

  constructor(data: Record<string, unknown>) {
    this.tree = new JsTree(this as TreeOwner, data)
  }

  assertOpen(): void {
    // It always is.
  }

  wrote(): void {
    this.changes++
  }

  prepareChange(): void {
    // There is room.
  }

  record(): void {
    throw new Error('there is no log')
  }

  begin(): void {
    throw new Error('there are no scopes of maps')
  }

  commit(): void {
    throw new Error('there are no scopes of maps')
  }

  settle(): void {
    // Nothing has failed.
  }
}

/** What a scope notes beside the steps. */
const nothing = { lines: 0, maps: 0, writes: 0 }

describe('js', () => {
  const ends = ['commit', 'rollback'] as const

  test.each(ends)('deletions of members: %s', (end) => {
    const workOf = (size: number): number => {
      const data = countedObject(Object.fromEntries(Array.from({ length: size }, (_, n) => [`m${n}`, n])))
      const { undo, tree } = new Owner(data)
      work = 0
      undo.begin(nothing)
      for (let n = 0; n < CHANGES; n++) {
        tree.delete(tree.root, `m${n}`)
        if (n % 2 === 0) tree.set(tree.root, `m${n}`, { again: n })
        if (n % 3 === 0) tree.set(tree.root, `new ${n}`, n)
        if (n % 4 === 0) tree.delete(tree.root, `m${n}`)
      }
      undo[end]()
      const done = work
      const again = Math.ceil(CHANGES / 2) - Math.ceil(CHANGES / 4)
      const added = Math.ceil(CHANGES / 3)
      expect(tree.size(tree.root)).toBe(end === 'commit' ? size - CHANGES + again + added : size)
      return done
    }
    const least = workOf(SMALL)
    expect(least).toBeGreaterThan(CHANGES)
    expect(workOf(LARGE)).toBe(least)
  })

  test.each(ends)('deletions of entries: %s', (end) => {
    const workOf = (size: number): number => {
      const owner = new Owner({})
      const stored = countedMap(size)
      const map = new JsMap(new MapContents('map', owner, stored), owner)
      // Iterations over JavaScript's own maps, whatever they are for.
      for (const name of ['entries', 'keys', 'values', 'forEach', Symbol.iterator] as const) {
        const original = Map.prototype[name] as (this: Map<unknown, unknown>, ...given: unknown[]) => unknown
        vi.spyOn(Map.prototype, name as 'entries').mockImplementation(function (this: Map<unknown, unknown>) {
          work += this.size
          return original.call(this) as never
        })
      }
      work = 0
      owner.undo.begin(nothing)
      for (let n = 0; n < CHANGES; n++) {
        map.delete(n)
        if (n % 2 === 0) map.set(n, n)
      }
      owner.undo[end]()
      const done = work
      vi.restoreAllMocks()
      expect([...map.keys()][0]).toBe(end === 'commit' ? CHANGES : 0)
      return done
    }
    const least = workOf(SMALL)
    expect(least).toBeGreaterThan(CHANGES)
    expect(workOf(LARGE)).toBe(least)
  })

  test('walking down a deep tree looks at each level some few times', () => {
    const data: AnyRoot = {}
    for (let depth = 0, at = data; depth < LARGE; depth++) at = at['in'] = {} as AnyRoot
    const { tree } = new Owner(data)
    let looks = 0
    let levels = 0
    for (let view = tree.root.view as AnyRoot | undefined; view !== undefined; view = view['in'] as AnyRoot) {
      const node = viewOf(view) as unknown as { owner: unknown }
      const { owner } = node
      Object.defineProperty(node, 'owner', { get: () => (looks++, owner) })
      levels++
    }
    expect(levels).toBe(LARGE + 1)
    expect(looks).toBeGreaterThan(0)
    expect(looks).toBeLessThan(5 * levels)
  })
})

describe.runIf(process.platform === 'linux')('native', () => {
  const stores = new Stores('native')
  const PAGE = 4096

  test('a transaction that is taken back touches and keeps in proportion to its changes', async () => {
    const count = 20_000
    const store = await stores.open(stores.directory())
    const map = store.map<string, AnyRoot>('map')
    for (let n = 0; n < count; n++) map.set(`key ${n}`, { n, text: 'x'.repeat(200) })
    store.root['users'] = Object.fromEntries(Array.from({ length: count }, (_, n) => [`user ${n}`, { n }]))
    const users = store.root['users'] as AnyRoot
    await store.snapshot()
    const before = store.stats().bytes
    let within = before
    expect(() =>
      store.transaction(() => {
        for (let n = 0; n < CHANGES; n++) {
          map.delete(`key ${n * 700}`)
          map.set(`key ${n * 700 + 1}`, { changed: n })
          Reflect.deleteProperty(users, `user ${n * 700}`)
          users[`user ${n * 700 + 1}`] = { changed: n }
        }
        within = store.stats().bytes
        throw new Error('back')
      }),
    ).toThrow('back')
    const after = store.stats().bytes
    const changes = 4 * CHANGES
    // Each writes to its record or node and some words of indexes, orders and the table of nodes: a few pages.
    const most = changes * 4 * PAGE
    expect(before.live).toBeGreaterThan(4 * most)
    expect(after.dirty - before.dirty).toBeGreaterThan(0)
    expect(after.dirty - before.dirty).toBeLessThan(most)
    expect(within.live - before.live).toBeLessThan(changes * 1024)
    // A shape that was defined in it stays.
    expect(after.live - before.live).toBeLessThan(1024)
    expect([map.size, Object.keys(users).length]).toEqual([count, count])
  })

  test('a transaction that changes the same again and again keeps its old bytes once', async () => {
    const program = new Program('undo-memory.mjs', [])
    // Without: 20 MiB for the numbers, and much more for the list.
    expect(await program.message<number>()).toBeLessThan(16 * 2 ** 20)
    await program.end()
  })
})
