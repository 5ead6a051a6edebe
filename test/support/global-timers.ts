import type * as timers from '../../lib/base/timers.js'

/**
 * In place of lib/base/timers.ts, for tests that let time pass by `vi.useFakeTimers`: whatever is global when
 * it is called.
 */
type Timers = typeof timers

const now = <Name extends keyof Timers>(name: Name): Timers[Name] =>
  ((...given: unknown[]) => (globalThis[name] as (...given: unknown[]) => unknown)(...given)) as never

export const clearImmediate = now('clearImmediate')
export const clearInterval = now('clearInterval')
export const clearTimeout = now('clearTimeout')
export const setImmediate = now('setImmediate')
export const setInterval = now('setInterval')
export const setTimeout = now('setTimeout')
