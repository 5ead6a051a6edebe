import type {
  ForkstoreMap as ForkstoreMapClass,
  open as Open,
  query as Query,
  SnapshotOptions,
  Store as StoreClass,
} from '../../dist/index.js'

// The package under test, as built in the checkout. Named by URL because this file runs from
// bench/build/lib/, one level deeper than it is kept.
const library = (await import(new URL('../../../dist/index.js', import.meta.url).href)) as {
  open: typeof Open
  query: typeof Query
}

export const open = library.open
export const query = library.query
export type Store<Root extends object = Record<string, unknown>> = StoreClass<Root>
export type ForkstoreMap<K extends string, V> = ForkstoreMapClass<K, V>
export type Engine = 'native' | 'js' | 'auto'
export type Strategy = 'fork' | 'copy' | 'auto'

/**
 * Snapshots when they are asked for and at no other time. The cast is there because the types of the library do not
 * have `snapshot.strategy` yet; it goes when they do, and `knowsStrategies` with it.
 */
export function snapshotsOnRequest(strategy?: Strategy): SnapshotOptions {
  const never = { everyMs: 0, afterWrites: 0, everyLogBytes: 0, onClose: false }
  return (strategy === undefined ? never : { ...never, strategy }) as SnapshotOptions
}

/** Whether the library as built has `snapshot.strategy`: it refuses options that it does not know. */
export async function knowsStrategies(): Promise<boolean> {
  try {
    const store = await open({ engine: 'js', snapshot: snapshotsOnRequest('fork') })
    await store.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_FORKSTORE_INVALID_ARGUMENT') return false
    throw error
  }
}
