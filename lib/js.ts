export { open } from './open/open-js.js'
export { Store } from './store/store.js'
export { ForkstoreMap } from './collections/map.js'
export { Query } from './collections/query.js'
export { copy, query } from './collections/view-functions.js'
export { ForkstoreError, type ForkstoreErrorCode } from './base/errors.js'
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
} from './base/types.js'
