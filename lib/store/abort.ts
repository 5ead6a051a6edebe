import { invalid } from '../base/errors.js'
import { asObject, refuseUnknown, show } from '../base/option-checks.js'

/** The signal of a call's options. Errors: ERR_FORKSTORE_INVALID_ARGUMENT. */
export function signalOf(options: unknown): AbortSignal | undefined {
  if (options === undefined) return undefined
  const given = asObject('options', options)
  refuseUnknown('options', given, ['signal'])
  const { signal } = given
  if (signal === undefined) return undefined
  // Not by instanceof: a signal of another realm (vm, Jest) is of another class.
  const { throwIfAborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>
  if (typeof throwIfAborted !== 'function' || typeof addEventListener !== 'function') {
    throw invalid(`options.signal must be an AbortSignal, not ${show(signal)}`)
  }
  return signal as AbortSignal
}

/**
 * The same outcome as the promise; when the signal is aborted before there is one, a rejection with the
 * signal's reason, and a call of `onAborted`.
 */
export function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  onAborted: () => void,
): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      onAborted()
      // The caller chose the reason. It need not be an Error.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const removeListener = (): void => signal.removeEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(removeListener)
  })
}
