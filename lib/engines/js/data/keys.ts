import type { Key } from '../../../base/types.js'

/** Whether JSON can say it. */
export function isJsonKey(key: Key): boolean {
  return typeof key === 'string' || (typeof key === 'number' && Number.isFinite(key))
}
