import type { Key } from '../../../base/types.js'

/** Whether JSON.stringify and JSON.parse give the same key back. */
export function isJsonKey(key: Key): boolean {
  return typeof key === 'string' || (typeof key === 'number' && Number.isFinite(key))
}
