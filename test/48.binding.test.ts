import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import type { NativeStore } from '../lib/engines/native/binding.js'
import { loadBinding } from '../lib/engines/native/load.js'

const INVALID = -5
const NOT_FOUND = -7
const WRONG_TYPE = -8
const DETACHED = -12
const CREATE_MAP = 1
const SET = 3
const SET_MEMBER = 8
const SET_LENGTH = 12
const SPLICE = 13
const ADOPT = 15
const HEAD = 16
const INT = 0xfff90000 | 0
const ROOT = 1

const stores: NativeStore[] = []

async function open(): Promise<NativeStore> {
  const store = await loadBinding().open(undefined, { maxBytes: 64 << 20, hugePages: false })
  stores.push(store)
  return store
}

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
})

/** Writes an operation's head and value, words of 32 bits; where the value ends. */
function write(store: NativeStore, code: number, target: number, value: readonly number[]): number {
  const words = new Int32Array(store.operationBuffer)
  words.set([code | (Math.floor(target / 2 ** 32) << 16), target, 4 * value.length, 0, ...value])
  return HEAD + 4 * value.length
}

function setMember(store: NativeStore, node: number, name: string, value: readonly number[]): number {
  return store.applyKeyed(write(store, SET_MEMBER, node, value), name)
}

/** The words of what lies at an arena offset. */
function words(store: NativeStore, offset: number, count: number): number[] {
  return [...new Int32Array(store.segment(0) as ArrayBuffer, offset, count)]
}

const number = (value: number): number[] => [value, INT]
/** An array of numbers as a value. */
const array = (...items: number[]): number[] => arrayOf(items)
const arrayOf = (items: readonly number[]): number[] =>
  [8, 0xfffd0000 | 0, items.length, 0].concat(items.flatMap((item) => number(item)))

describe('the tree through the binding', () => {
  it('finds members and items, and tells of the nodes in them', async () => {
    const store = await open()
    setMember(store, ROOT, 'n', number(42))
    setMember(store, ROOT, 'list', array(1, 2, 3))
    const block = store.locate(ROOT)
    expect(words(store, store.findMember(block, 'n'), 2)).toEqual(number(42))
    expect(store.result[2]).toBe(0)
    expect(store.findMember(block, 'list')).toBeGreaterThan(0)
    const list = store.result[2] as number
    expect(store.length(list)).toBe(3)
    expect(words(store, store.findItem(list, 2), 2)).toEqual(number(3))
    expect(store.result[2]).toBe(0)
    expect(store.findItem(list, 3)).toBe(0)
    expect(store.findMember(block, 'nobody')).toBe(0)
    expect(store.findMember(block, 'toString')).toBe(0)
    expect(store.result[2]).toBe(0)
  })

  it('scans as many items as fit, and says where the end is', async () => {
    const store = await open()
    setMember(store, ROOT, 'list', arrayOf(Array.from({ length: 3000 }, (_, index) => index)))
    store.findMember(store.locate(ROOT), 'list')
    const list = store.result[2] as number
    const all = new Float64Array(8000).fill(-1)
    expect(store.scanItems(list, 0, all)).toBe(3000)
    expect(all[2 * 2999]).toBe(2999)
    expect(words(store, all[2 * 2999 + 1] as number, 2)).toEqual(number(2999))
    expect(all[6000]).toBe(-1)
    expect(store.scanItems(list, 2990, all.subarray(0, 11))).toBe(5)
    expect(all[0]).toBe(2990)
    expect(words(store, all[1] as number, 2)).toEqual(number(2990))
    expect(store.scanItems(list, 3000, all)).toBe(0)
    expect(store.scanItems(list, 0, new Float64Array(1))).toBe(0)
  })

  it('keeps the layout version current', async () => {
    const store = await open()
    const version = (): number => store.result[1] as number
    const before = version()
    setMember(store, ROOT, 'a', number(1))
    setMember(store, ROOT, 'b', array(1))
    const grown = version()
    expect(grown).not.toBe(before)
    setMember(store, ROOT, 'a', number(2))
    expect(version()).toBe(grown)
    store.begin()
    setMember(store, ROOT, 'b', number(1))
    const detached = version()
    expect(detached).not.toBe(grown)
    store.rollback()
    expect([grown, detached]).not.toContain(version())
  })

  it('packs nodes into a buffer that grows and shrinks', async () => {
    const store = await open()
    const pack = (node: number): number[] => {
      const bytes = store.pack(node)
      return Array.from(new Int32Array(store.packBuffer, 0, bytes / 4))
    }
    const small = pack(ROOT)
    const replaced = store.result[3] as number
    expect(pack(ROOT)).toEqual(small)
    expect(store.result[3]).toBe(replaced)
    store.growOperationBuffer(2 << 20)
    const items = Array.from({ length: 200_000 }, (_, index) => index)
    setMember(store, ROOT, 'list', arrayOf(items))
    expect(pack(2)).toEqual(arrayOf(items))
    expect(store.packBuffer.byteLength).toBeGreaterThanOrEqual(8 * items.length)
    expect(store.result[3]).toBeGreaterThan(replaced)
    const large = store.result[3] as number
    expect(store.apply(write(store, SET_LENGTH, 2, [2, 0]))).toBe(1)
    expect(pack(2)).toEqual(array(0, 1))
    expect(store.packBuffer.byteLength).toBeLessThan(1 << 20)
    expect(store.result[3]).toBeGreaterThan(large)
  })

  it('tells a node that has left', async () => {
    const store = await open()
    setMember(store, ROOT, 'list', array(1))
    expect(store.locate(2)).toBeGreaterThan(0)
    setMember(store, ROOT, 'list', number(1))
    expect(store.locate(2)).toBe(0)
    expect(store.pack(2)).toBe(DETACHED)
    expect(setMember(store, 2, 'x', number(1))).toBe(DETACHED)
    expect(store.lastMessage()).toContain('not in the tree')
    expect(store.stats().nodes).toBe(1)
  })

  it('holds what a splice removes until it is read', async () => {
    const store = await open()
    const items = Array.from({ length: 700 }, (_, index) => index)
    setMember(store, ROOT, 'list', arrayOf(items))
    expect(store.holdItems(write(store, SPLICE, 2, [10, 600, ...array()]))).toBe(1)
    const held = store.result[0] as number
    expect(held).toBeGreaterThan(0)
    const indexes = new Float64Array(512)
    const read: number[] = []
    for (;;) {
      const bytes = store.readHeld(held, read.length, 512, indexes)
      const count = store.result[0] as number
      if (count === 0) break
      const numbers = items.slice(10 + read.length, 10 + read.length + count)
      expect([...new Int32Array(store.packBuffer, 0, bytes / 4)]).toEqual(arrayOf(numbers))
      read.push(...indexes.subarray(0, count))
    }
    expect(read).toEqual(items.slice(0, 600))
    store.dropHeld(held)
    expect(store.readHeld(held, 600, 512, indexes)).toBe(NOT_FOUND)
    // Of a short array, and of other operations, nothing is held.
    expect(store.apply(write(store, SET_LENGTH, 2, [0, 0]))).toBe(1)
    setMember(store, ROOT, 'list', array(1, 2))
    expect(store.holdItems(write(store, SPLICE, 3, [0, 1, ...array()]))).toBe(1)
    expect(store.result[0]).toBe(0)
    expect(store.holdItems(write(store, SET_LENGTH, 3, [0, 0]))).toBe(1)
    expect(store.result[0]).toBe(0)
  })

  it('adopts entries of maps', async () => {
    const store = await open()
    write(store, CREATE_MAP, 1, [])
    expect(store.openMap('m')).toBe(1)
    const map = store.map(1)
    map.apply(write(store, SET, 1, array(1, 2)), 'k')
    expect(store.applyKeyed(write(store, ADOPT, 1, []), 'nobody')).toBe(NOT_FOUND)
    expect(store.applyKeyed(write(store, ADOPT, 1, []), 'k')).toBe(1)
    const node = store.result[0] as number
    expect(store.applyKeyed(write(store, ADOPT, 1, []), 'k')).toBe(0)
    expect(store.result[0]).toBe(node)
    expect(store.length(store.locate(node))).toBe(2)
    expect(map.size()).toBe(1)
  })
})

describe('misuse of the binding', () => {
  it('of blocks, nodes and names gives an error', async () => {
    const store = await open()
    setMember(store, ROOT, 'list', array(1))
    const object = store.locate(ROOT)
    const list = store.locate(2)
    const out = new Float64Array(4)
    for (const wrong of [0, -1, 1.5, NaN, Infinity, 2 ** 40, 2 ** 60, undefined, 'x', {}] as number[]) {
      expect(store.findMember(wrong, 'n')).toBe(INVALID)
      expect(store.findItem(wrong, 0)).toBe(INVALID)
      expect(store.length(wrong)).toBe(INVALID)
      expect(store.scanItems(wrong, 0, out)).toBe(INVALID)
      expect(store.scanTable(wrong, 0, out)).toBe(INVALID)
    }
    for (const wrong of [0, -1, NaN, 2 ** 47, 2 ** 60, undefined, 'x', {}] as number[]) {
      expect(store.locate(wrong)).toBe(INVALID)
      expect(store.pack(wrong)).toBe(INVALID)
      expect(store.packItems(wrong, 0, 1, 1)).toBe(INVALID)
    }
    for (const wrong of [undefined, 'x', {}] as unknown as number[]) {
      expect(store.packItems(2, wrong, 1, 1)).toBe(INVALID)
      expect(store.packItems(2, 0, wrong, 1)).toBe(INVALID)
      expect(store.packItems(2, 0, 1, wrong)).toBe(INVALID)
    }
    expect(store.packItems(ROOT, 0, 1, 1)).toBe(WRONG_TYPE)
    for (const limit of [0, 1, 2 ** 32 - 1]) {
      expect(store.packItems(2, 0, 2 ** 32 - 1, limit)).toBeGreaterThan(0)
      expect(store.packItems(2, 2 ** 32 - 1, 0, limit)).toBeGreaterThan(0)
    }
    expect(store.locate(2 ** 47 - 1)).toBe(0)
    expect(store.findMember(list, 'n')).toBe(INVALID)
    expect(store.findItem(object, 0)).toBe(INVALID)
    expect(store.length(object)).toBe(INVALID)
    expect(store.scanTable(object, 0, out)).toBe(INVALID)
    expect(store.scanItems(object, 0, out)).toBe(INVALID)
    expect(store.findMember(object, 1 as unknown as string)).toBe(INVALID)
    expect(store.scanItems(list, 0, [] as unknown as Float64Array)).toBe(INVALID)
    expect(store.scanItems(list, 0, new Int32Array(4) as unknown as Float64Array)).toBe(INVALID)
    expect(store.applyKeyed(8, 'x')).toBe(INVALID)
    expect(store.applyKeyed(1 << 30, 'x')).toBe(INVALID)
    expect(store.applyKeyed(16, 5 as unknown as string)).toBe(INVALID)
  })

  it('of what is held gives an error', async () => {
    const store = await open()
    setMember(store, ROOT, 'list', arrayOf(Array.from({ length: 700 }, (_, index) => index)))
    const splice = (): number => write(store, SPLICE, 2, [0, 600, ...array()])
    for (const wrong of [-1, 8, 1 << 30, undefined, 'x', {}] as number[]) {
      splice()
      expect(store.holdItems(wrong)).toBe(INVALID)
    }
    store.begin()
    expect(store.holdItems(splice())).toBe(INVALID)
    store.rollback()
    expect(store.holdItems(splice())).toBe(1)
    const held = store.result[0] as number
    const out = new Float64Array(512)
    for (const wrong of [-1, NaN, Infinity, undefined, 'x', {}] as number[]) {
      expect(store.readHeld(wrong, 0, 1, out)).toBe(INVALID)
      expect(store.readHeld(held, wrong, 1, out)).toBe(INVALID)
      store.dropHeld(wrong)
    }
    expect(store.readHeld(held, 5, 1, out)).toBe(INVALID)
    expect(store.readHeld(held, 0, 'x' as unknown as number, out)).toBe(INVALID)
    expect(store.readHeld(held, 0, 1, new Float64Array(511))).toBe(INVALID)
    expect(store.readHeld(held, 0, 1, new Int32Array(512) as unknown as Float64Array)).toBe(INVALID)
    expect(store.readHeld(held + 1, 0, 1, out)).toBe(NOT_FOUND)
    expect([store.readHeld(held, 0, 0, out) > 0, store.result[0]]).toEqual([true, 1])
    expect(store.readHeld(held, 0, 2 ** 32 - 1, out)).toBeGreaterThan(0)
  })

  it('of scopes gives an error', async () => {
    const store = await open()
    expect(store.commit()).toBe(INVALID)
    expect(store.rollback()).toBe(INVALID)
    expect([store.begin(), store.begin(), store.commit(), store.rollback(), store.rollback()]).toEqual([
      0,
      0,
      0,
      0,
      INVALID,
    ])
  })

  it('of a closed store gives an error', async () => {
    const store = await open()
    setMember(store, ROOT, 'list', array(1))
    const { locate, findMember, pack, begin, applyKeyed } = store
    const block = store.locate(ROOT)
    const closed = store.close()
    expect(locate(ROOT)).toBe(INVALID)
    expect(findMember(block, 'list')).toBe(INVALID)
    expect(store.findItem(block, 0)).toBe(INVALID)
    expect(pack(ROOT)).toBe(INVALID)
    expect(store.packItems(2, 0, 1, 1)).toBe(INVALID)
    expect([store.holdItems(16), store.readHeld(1, 0, 1, new Float64Array(512))]).toEqual([INVALID, INVALID])
    expect(store.dropHeld(1)).toBe(0)
    expect([begin(), store.commit(), store.rollback()]).toEqual([INVALID, INVALID, INVALID])
    expect(applyKeyed(16, 'x')).toBe(INVALID)
    await closed
  })

  it('functions keep the store that they read', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { locate } = await open()
    stores.splice(0)
    for (let round = 0; round < 5; round++) {
      collect()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(locate(ROOT)).toBeGreaterThan(0)
  })
})
