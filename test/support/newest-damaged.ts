import { damage, generations } from './directory.js'
import type { EngineName } from './engines.js'
import { crashCopy } from './log-files.js'
import type { Stores } from './stores.js'

/**
 * What a crash leaves of a store with x: 1 in one snapshot, y: 2 in the next, and z: 3 in the log behind it; and
 * that newest snapshot is damaged. Its path.
 */
export async function newestDamaged(engine: EngineName, stores: Stores): Promise<string> {
  const path = stores.directory()
  const store = await stores.open(path)
  store.map('a').set('x', 1)
  await store.snapshot()
  store.map('a').set('y', 2)
  await store.snapshot()
  store.map('a').set('z', 3)
  await store.commit()
  const copy = crashCopy(path)
  damage(copy, generations(engine, copy).at(-1)!)
  return copy
}
