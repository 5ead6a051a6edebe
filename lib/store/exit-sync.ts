import { setImmediate } from '../base/timers.js'

/** What has something to bring to the disk when the process ends. */
export interface ExitHandler {
  onExit(): void
}

const handlers = new Set<ExitHandler>()
let isExiting = false
let hasThrown = false

/** Listeners of 'exit' run, maybe others after ours: the event loop does not turn any more. */
export function isProcessExiting(): boolean {
  return isExiting
}

export function hasTurnThrown(): boolean {
  return hasThrown
}

function callHandlers(): void {
  isExiting = true
  for (const handler of handlers) handler.onExit()
}

function onThrown(): void {
  hasThrown = true
  // Where a listener of 'uncaughtException' goes on.
  setImmediate(() => (hasThrown = false)).unref()
}

/**
 * What was written is on disk when the process ends by `process.exit()`, as it is when it ends on its own;
 * and when it ends by an uncaught exception what the turns before wrote. One listener for all stores: many
 * would be taken for a leak.
 */
export function addExitHandler(handler: ExitHandler): void {
  if (handlers.size === 0) {
    process.on('exit', callHandlers)
    process.on('uncaughtExceptionMonitor', onThrown)
  }
  handlers.add(handler)
}

export function removeExitHandler(handler: ExitHandler): void {
  if (!handlers.delete(handler) || handlers.size > 0) return
  process.off('exit', callHandlers)
  process.off('uncaughtExceptionMonitor', onThrown)
}
