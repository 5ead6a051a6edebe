// What cannot be stored is refused, and leaves nothing behind.

import { describe, expect, it } from 'vitest'
import { MapSite } from '../lib/engines/native/codec/writers.js'
import { makeCodec } from './support/codec-check.js'
import { sameValue } from './support/values.js'

const MAX_VALUE_BYTES = 2 ** 30 - 2 ** 20

describe('refused', () => {
  const refused = (value: unknown): unknown => {
    const { operation, encode } = makeCodec()
    let error: unknown
    try {
      operation.encoder.encode(value, 16, new MapSite('users'), 'a@b')
    } catch (thrown) {
      error = thrown
    }
    expect(operation.encoder.busy).toBe(false)
    // Nothing of the failure is left behind.
    const plain = [1, ['x'.repeat(30)]]
    expect(encode(plain)).toEqual(makeCodec().encode(plain))
    return error
  }
  const cycle: { deep: { list: unknown[] } } = { deep: { list: [] } }
  cycle.deep.list.push(1, cycle)
  class Own {}
  const cases: [string, unknown][] = [
    ['function', () => 1],
    ['symbol', Symbol('s')],
    ['class instance', new Own()],
    ['Map', new Map()],
    ['Set', new Set()],
    ['RegExp', /x/],
    ['Error', new Error('x')],
    ['boxed number', Object(1)],
    ['ArrayBuffer', new ArrayBuffer(8)],
    ['Int8Array', new Int8Array(8)],
    ['DataView', new DataView(new ArrayBuffer(8))],
    ['promise', Promise.resolve()],
    ['proxy', new Proxy({}, {})],
    ['proxy of an array', new Proxy([], {})],
    ['WeakMap', new WeakMap()],
    ['cycle', cycle],
  ]
  it.each(cases)('%s, alone and inside, with the path', (_name, value) => {
    expect(refused(value)).toMatchObject({ code: 'ERR_FORKSTORE_UNSUPPORTED_VALUE' })
    const inside = refused({ fine: 1, 'not fine': ['x', { y: 1, fn: value }] }) as Error
    expect(inside.message.startsWith('users["a@b"]["not fine"][1].fn')).toBe(true)
    let deep: unknown = value
    for (let i = 0; i < 100; i++) deep = [deep]
    expect(refused(deep)).toMatchObject({ code: 'ERR_FORKSTORE_UNSUPPORTED_VALUE' })
    const dictionary = Object.fromEntries([...Array(70).keys()].map((i) => [`f${i}`, i === 68 ? value : i]))
    expect((refused(dictionary) as Error).message.startsWith('users["a@b"].f68')).toBe(true)
  })

  it('and no shape is defined for it', () => {
    const { operation, encode, store } = makeCodec()
    const bad = { new: 1, shapes: { more: [{ deeper: 1 }] }, fn: () => 1 }
    for (let i = 0; i < 100; i++) expect(() => encode([{ first: 1 }, bad])).toThrow('cannot be stored')
    expect(store.shapes).toEqual([])
    expect(operation.encoder.busy).toBe(false)
    encode([{ first: 1 }, { first: 2 }])
    expect(store.shapes).toEqual([['first']])
  })

  it('but one object in several places is no cycle', () => {
    const { roundTrip } = makeCodec()
    const shared = { x: 1 }
    let value: unknown = [shared, { shared }, shared]
    for (let i = 0; i < 50; i++) value = [value, shared]
    sameValue(roundTrip(value), value)
  })

  it('what a getter throws comes out as it is', () => {
    const { encode } = makeCodec()
    const mine = new RangeError('mine')
    const value = {
      a: [1],
      get b() {
        throw mine
      },
    }
    expect(() => encode([value])).toThrow(mine)
    expect(encode([1])).toEqual(makeCodec().encode([1]))
  })

  it('too large', () => {
    const { operation, encode } = makeCodec()
    const array: unknown[] = []
    array.length = MAX_VALUE_BYTES / 8
    for (const value of [array, [1, array], [new Array(2 ** 32 - 1)]]) {
      expect(() => encode(value)).toThrow(expect.objectContaining({ code: 'ERR_FORKSTORE_TOO_LARGE' }))
    }
    expect(operation.capacity).toBeLessThan(2 ** 20)
    const half = new Uint8Array(300 * 2 ** 20)
    expect(() => encode([half, half, half, half])).toThrow(
      expect.objectContaining({ code: 'ERR_FORKSTORE_TOO_LARGE' }),
    )
  })
})
