export { open } from './open.js'
export { Store } from './store.js'
export { ForkstoreMap } from './map.js'
export { Query } from './query.js'
export { copy, query } from './tree/view-functions.js'
export { ForkstoreError, type ForkstoreErrorCode } from './errors.js'
export type {
  AnyRoot,
  DeepReadonly,
  DurabilityMode,
  Key,
  LogStats,
  OpenOptions,
  OpenProgress,
  Recovered,
  RecoveredLog,
  SnapshotOptions,
  SnapshotResult,
  Storable,
  StoreEvents,
  StoreStats,
  Synchronous,
  Value,
} from './types.js'
