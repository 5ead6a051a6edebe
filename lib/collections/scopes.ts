import { types } from 'node:util'
import type { Engine } from '../contract/engine.js'
import { viewOf } from '../views/view.js'

/** What can open scopes and take them back. */
export type Scopes = Pick<Engine, 'begin' | 'commit' | 'settle' | 'scopes' | 'keptScopes'>

/** All or nothing: when `change` throws, what it has written is taken back, and the error goes on. */
export function inScope<Result>(engine: Scopes, change: () => Result): Result {
  engine.settle()
  const outer = engine.scopes
  try {
    engine.begin()
    const result = change()
    engine.commit()
    return result
  } catch (error) {
    engine.keptScopes = outer
    engine.settle()
    throw error
  }
}

/**
 * Whether it is a promise, or the like. Whoever asks refuses it: that a promise may fail for that is no news then.
 */
export function isThenable(result: unknown): boolean {
  if ((typeof result !== 'object' || result === null) && typeof result !== 'function') return false
  // Members of a view are data, whatever their names.
  if (viewOf(result) !== undefined) return false
  if (typeof (result as { then?: unknown }).then !== 'function') return false
  if (types.isPromise(result)) result.catch(() => undefined)
  return true
}
