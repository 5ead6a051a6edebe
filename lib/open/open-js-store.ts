import { progressTeller } from './open-progress.js'
import type { ResolvedOptions } from '../store/resolved-options.js'
import { makeStore, type Store } from '../store/store.js'
import { openJs } from '../engines/js/engine.js'

/** A store over the JS engine. `warning` is told a turn after it is open. */
export async function openJsStore(
  path: string | undefined,
  options: ResolvedOptions,
  warning?: Error,
): Promise<Store> {
  const { durability, salvage, onProgress } = options
  const progress = progressTeller(onProgress)
  try {
    const engine = await openJs(path, { durability, salvage, onReplay: progress.tell })
    return await makeStore(engine, options, warning)
  } finally {
    progress.end()
  }
}
