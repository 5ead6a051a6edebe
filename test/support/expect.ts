import { deepStrictEqual } from 'node:assert/strict'
import { expect } from 'vitest'
import { ForkstoreError, type ForkstoreErrorCode, type ForkstoreMap } from '../../lib/index.js'

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
  map: ForkstoreMap<never, never> | ForkstoreMap,
  expected: Iterable<[unknown, unknown]>,
): void {
  const entries = [...expected]
  deepStrictEqual([...(map as ForkstoreMap).entries()], entries)
  expect(map.size).toBe(entries.length)
}

export { deepStrictEqual }
