import * as timers from 'node:timers'

/**
 * Node's own timers, as they were when this was loaded. Test frameworks replace the global ones by timers
 * that stand still, and browsers' (Electron, jsdom) return numbers.
 */
export const { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = timers
