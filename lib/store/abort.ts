import { invalid } from '../base/errors.js'
import { asObject, refuseUnknown, show } from '../base/option-checks.js'

/** The signal of a call's options. Errors: ERR_FORKSTORE_INVALID_ARGUMENT. */
export function signalOf(options: unknown): AbortSignal | undefined {
  if (options === undefined) return undefined
  const given = asObject('options', options)
  refuseUnknown('options', given, ['signal'])
  const { signal } = given
  if (signal === undefined) return undefined
  // By what it has, since it may be of another realm.
  const { throwIfAborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>
  if (typeof throwIfAborted !== 'function' || typeof addEventListener !== 'function') {
    throw invalid(`options.signal must be an AbortSignal, not ${show(signal)}`)
  }
  return signal as AbortSignal
}

/** What the promise comes to; when the signal is aborted before, a rejection with its reason. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    // The reason is the caller's, whatever it is.
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(settle)
  })
}
