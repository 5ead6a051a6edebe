import { types } from 'node:util'
import type { Engine } from '../contract/engine.js'
import { ForkstoreError } from '../base/errors.js'
import { viewOf } from '../views/view.js'

/** Checks what `store.transaction` is given, before it runs. */
export function checkTransaction(change: unknown): void {
  if (typeof change !== 'function') {
    throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'transaction: the argument must be a function')
  }
  if (types.isAsyncFunction(change)) {
    throw misuse('transaction: an async function cannot be a transaction, since nothing in one can wait')
  }
  if (types.isGeneratorFunction(change)) {
    throw misuse('transaction: a generator function cannot be a transaction, since calling it runs nothing')
  }
}

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

/** A promise says that the work goes on; the transaction cannot. */
export function refuseThenable(result: unknown): void {
  if (!isThenable(result)) return
  throw misuse('transaction: the function returned a promise, and what it had changed was taken back')
}

/** Whether it is a promise, or the like. Whoever asks refuses it: that a promise may fail for that is no news then. */
export function isThenable(result: unknown): boolean {
  if ((typeof result !== 'object' || result === null) && typeof result !== 'function') return false
  // Members of a view are data, whatever their names.
  if (viewOf(result) !== undefined) return false
  if (typeof (result as { then?: unknown }).then !== 'function') return false
  if (types.isPromise(result)) result.catch(() => undefined)
  return true
}

export function closedWithin(): ForkstoreError {
  return misuse('close: a store cannot be closed within a transaction')
}

export function committedWithin(): ForkstoreError {
  return misuse('commitSync: what a transaction has done so far cannot be brought to disk before it ends')
}

function misuse(message: string): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_TRANSACTION', message)
}
