import type { ForkstoreError } from './errors.js'

/** A promise with what settles it: `Promise.withResolvers`, which Node 20 has not. */
export interface Deferred<Result> {
  promise: Promise<Result>
  resolve: (result: Result) => void
  reject: (error: ForkstoreError) => void
}

export function makeDeferred<Result>(): Deferred<Result> {
  let resolve!: Deferred<Result>['resolve']
  let reject!: Deferred<Result>['reject']
  const promise = new Promise<Result>((onResult, onError) => {
    resolve = onResult
    reject = onError
  })
  return { promise, resolve, reject }
}
