import { ForkstoreError } from '../base/errors.js'
import { checkArguments, checkDirectory } from './open-arguments.js'
import type { Store } from '../store/store.js'
import type { AnyRoot, OpenOptions, Storable } from '../base/types.js'
import { openJsStore } from './open-js-store.js'

/** As `open` of `forkstore`, in pure JavaScript: nothing native is loaded, or looked for. */
export function open<Root extends object & Storable<Root> = AnyRoot>(
  path: string | URL,
  options?: OpenOptions,
): Promise<Store<Root>>
export function open<Root extends object & Storable<Root> = AnyRoot>(
  options?: OpenOptions,
): Promise<Store<Root>>
export async function open(...given: unknown[]): Promise<Store> {
  const { path, options } = checkArguments(given)
  if (options.engine === 'native') {
    throw new ForkstoreError(
      'ERR_FORKSTORE_UNAVAILABLE',
      "forkstore/js has no native engine: import 'forkstore'",
    )
  }
  await checkDirectory(path, 'js', options)
  return openJsStore(path, options)
}
