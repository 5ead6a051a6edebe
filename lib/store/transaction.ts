import { types } from 'node:util'
import { ForkstoreError } from '../base/errors.js'
import { isThenable } from '../collections/scopes.js'

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
  if (!isThenable(result)) return
  throw misuse('transaction: the function returned a promise, and what it had changed was taken back')
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
