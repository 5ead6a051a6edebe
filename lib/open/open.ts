/**
 * `open` of `forkstore`: where to begin reading lib. It checks what it is given (open-arguments.ts, options.ts),
 * opens an engine (../engines/native/engine.ts or ../engines/js/engine.ts; what each must do:
 * ../contract/engine.ts), and makes a store over it (../store/store.ts), whose maps are
 * ../collections/map.ts, and whose tree is made of the views of ../views/view.ts. open-js.ts is the same without
 * the native engine.
 */

import { ForkstoreError, ForkstoreWarning } from '../base/errors.js'
import { openJsStore } from './open-js-store.js'
import { openNative } from '../engines/native/engine.js'
import { loadBinding } from '../engines/native/load.js'
import { checkArguments, checkDirectory } from './open-arguments.js'
import { progressTeller } from './open-progress.js'
import type { ResolvedOptions } from '../store/resolved-options.js'
import { makeStore, type Store } from '../store/store.js'
import type { AnyRoot, OpenOptions, Storable } from '../base/types.js'

/**
 * Opens a store. With a path, or a `file:` URL: the directory is made when it is missing, and what it holds
 * is loaded. `Root` is the type of `store.root`, whose members may be missing; nothing checks what is there.
 * `open()` and `open(options)`: memory only. A path that is there but undefined is refused.
 *
 * Rejects with a `ForkstoreError`; besides `ERR_FORKSTORE_INVALID_ARGUMENT`: `ERR_FORKSTORE_LOCKED` while
 * somebody has the directory open, `ERR_FORKSTORE_CORRUPT` when nothing in it can be used (never an empty
 * store in place of data), `ERR_FORKSTORE_VERSION` when another release or the other engine wrote it,
 * `ERR_FORKSTORE_UNAVAILABLE` when `engine: 'native'` cannot run here, `ERR_FORKSTORE_IO`, also where
 * descriptors or addresses are short: then a later call may do better.
 */
export function open<Root extends object & Storable<Root> = AnyRoot>(
  path: string | URL,
  options?: OpenOptions,
): Promise<Store<Root>>
export function open<Root extends object & Storable<Root> = AnyRoot>(
  options?: OpenOptions,
): Promise<Store<Root>>
export async function open(...given: unknown[]): Promise<Store> {
  const { path, options } = checkArguments(given)
  if (options.engine === 'js') return openWithJs(path, options)
  try {
    return await openWithNative(path, options)
  } catch (error) {
    const isUnavailable = error instanceof ForkstoreError && error.code === 'ERR_FORKSTORE_UNAVAILABLE'
    if (options.engine === 'native' || !isUnavailable) throw error
    const message = `the native engine cannot run here, forkstore/js is used: ${error.message}`
    return openWithJs(path, options, new ForkstoreWarning(message, { cause: error }))
  }
}

async function openWithNative(path: string | undefined, options: ResolvedOptions): Promise<Store> {
  // Loads the addon only here, as engine 'js' must not need it; and before the directory is checked: where the
  // addon cannot run, the data is that of the js engine, and this check would refuse it. (The modules around the
  // addon are imported with this one. An import() that fails because descriptors are short is never tried
  // again by Node.)
  loadBinding()
  await checkDirectory(path, 'native', options)
  const progress = progressTeller(options.onProgress)
  try {
    const engine = await openNative(path, {
      maxBytes: options.maxBytes,
      leastBytes: options.leastBytes,
      log: options.durability !== 'snapshot',
      salvage: options.salvage,
      onReplay: progress.tell,
      prepareCopies: options.snapshot.strategy === 'copy',
      maxCopiedBytes: options.snapshot.maxCopiedBytes ?? 0,
    })
    return await makeStore(engine, options)
  } finally {
    progress.end()
  }
}

async function openWithJs(
  path: string | undefined,
  options: ResolvedOptions,
  warning?: Error,
): Promise<Store> {
  await checkDirectory(path, 'js', options)
  return openJsStore(path, options, warning)
}
