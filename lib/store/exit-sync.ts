import { setImmediate } from '../base/timers.js'

/** What has something to bring to the disk when the process ends. */
export interface AtExit {
  endAtExit(): void
}

const open = new Set<AtExit>()
let isExiting = false
let hasThrown = false

/** Listeners of 'exit' run, maybe others after ours: the event loop does not turn any more. */
export function isProcessExiting(): boolean {
  return isExiting
}

export function hasTurnThrown(): boolean {
  return hasThrown
}

function endAll(): void {
  isExiting = true
  for (const each of open) each.endAtExit()
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
export function endAtExit(each: AtExit): void {
  if (open.size === 0) {
    process.on('exit', endAll)
    process.on('uncaughtExceptionMonitor', onThrown)
  }
  open.add(each)
}

export function notAtExit(each: AtExit): void {
  if (!open.delete(each) || open.size > 0) return
  process.off('exit', endAll)
  process.off('uncaughtExceptionMonitor', onThrown)
}
