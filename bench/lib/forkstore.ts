import type {
  ForkstoreMap as ForkstoreMapClass,
  open as Open,
  query as Query,
  SnapshotOptions,
  SnapshotResult as SnapshotResultType,
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
export type SnapshotResult = SnapshotResultType
export type Engine = 'native' | 'js' | 'auto'
export type Strategy = 'fork' | 'copy' | 'auto'

/** Snapshots when they are asked for and at no other time. */
export function snapshotsOnRequest(strategy: Strategy = 'auto'): SnapshotOptions {
  return { everyMs: 0, afterWrites: 0, everyLogBytes: 0, onClose: false, strategy }
}
