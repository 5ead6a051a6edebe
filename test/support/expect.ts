import { inspect } from 'node:util'
import { expect } from 'vitest'
import { ForkstoreError, type ForkstoreErrorCode, type ForkstoreMap } from '../../lib/index.js'
import type { Key } from '../../lib/index.js'

/** Runs what must fail with this code; returns the error. */
export function expectError(code: ForkstoreErrorCode, run: () => unknown): ForkstoreError {
  let error: unknown
  try {
    run()
  } catch (thrown) {
    error = thrown
  }
  return checkError(code, error)
}

/** Awaits what must reject with this code; returns the error. */
export async function expectRejection(
  code: ForkstoreErrorCode,
  run: () => Promise<unknown>,
): Promise<ForkstoreError> {
  let error: unknown
  let promise: Promise<unknown> | undefined
  try {
    promise = run()
  } catch (thrown) {
    expect.fail(`threw where it should reject: ${String(thrown)}`)
  }
  try {
    await promise
  } catch (thrown) {
    error = thrown
  }
  return checkError(code, error)
}

function checkError(code: ForkstoreErrorCode, error: unknown): ForkstoreError {
  if (error === undefined) expect.fail(`expected ${code}, but nothing failed`)
  if (!(error instanceof ForkstoreError)) throw error
  expect(error.code, error.message).toBe(code)
  expect(error.name).toBe('ForkstoreError')
  return error
}

/** Every entry, in order: -0, NaN, holes and the kind of bytes count. */
export function expectEntries(
  map: ForkstoreMap<never, never> | ForkstoreMap<Key, unknown>,
  expected: Iterable<[unknown, unknown]>,
): void {
  const entries = [...expected]
  expectSame([...(map as ForkstoreMap<Key, unknown>).entries()], entries)
  expect(map.size).toBe(entries.length)
}

/**
 * Exactly the same: prototypes, order of fields, holes, -0, invalid dates and kinds of bytes count. Without
 * recursion, so that deep values can be compared.
 */
export function expectSame(actual: unknown, expected: unknown): void {
  const pairs: [actual: unknown, expected: unknown, path: string][] = [[actual, expected, '']]
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [one, other, path] = pair
    const fail = (): never =>
      expect.fail(`${path.slice(-200) || 'value'}: ${show(one)} is not the expected ${show(other)}`)
    if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
      if (!Object.is(one, other)) fail()
      continue
    }
    if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) fail()
    if (one instanceof Date) {
      if (!Object.is(one.getTime(), (other as Date).getTime())) fail()
    } else if (one instanceof Uint8Array) {
      if (Buffer.compare(one, other as Uint8Array) !== 0) fail()
    } else if (one instanceof Map) {
      pairs.push([[...one], [...(other as Map<unknown, unknown>)], `${path}(entries)`])
    } else {
      if (Array.isArray(one) && one.length !== (other as unknown[]).length) fail()
      const names = Object.keys(one)
      const otherNames = Object.keys(other)
      if (names.length !== otherNames.length || names.some((name, at) => name !== otherNames[at])) fail()
      for (const name of names) {
        const deeper = `${path.slice(-200)}.${name.slice(0, 50)}`
        pairs.push([(one as Record<string, unknown>)[name], (other as Record<string, unknown>)[name], deeper])
      }
    }
  }
}

function show(value: unknown): string {
  return inspect(value, { depth: 2, maxStringLength: 100, maxArrayLength: 10 }).slice(0, 1000)
}
