import { types } from 'node:util'
import { ForkstoreError } from './errors.js'
import { viewOf } from './tree/view.js'

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

/** A promise says that the work goes on; the transaction cannot. */
export function refuseThenable(result: unknown): void {
  if ((typeof result !== 'object' || result === null) && typeof result !== 'function') return
  // Members of a view are data, whatever their names.
  if (viewOf(result) !== undefined) return
  if (typeof (result as { then?: unknown }).then !== 'function') return
  // What is told is this error; that the promise may fail for it is no news.
  if (types.isPromise(result)) result.catch(() => undefined)
  throw misuse('transaction: the function returned a promise, and what it had changed was taken back')
}

export function closedWithin(): ForkstoreError {
  return misuse('close: a store cannot be closed within a transaction')
}

function misuse(message: string): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_TRANSACTION', message)
}
