import type { EngineLog } from './engine-log.js'

const open = new Set<EngineLog>()

function syncAll(): void {
  for (const log of open) log.syncNow()
}

/**
 * What the turns that have ended wrote is on disk when the process ends by `process.exit()` or an uncaught exception, as
 * it is when it ends on its own. One listener for all stores: many would be taken for a leak.
 */
export function syncAtExit(log: EngineLog): void {
  if (open.size === 0) process.on('exit', syncAll)
  open.add(log)
}

export function noSyncAtExit(log: EngineLog): void {
  if (open.delete(log) && open.size === 0) process.off('exit', syncAll)
}
