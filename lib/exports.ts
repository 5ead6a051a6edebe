// What both entry points export, beside `open`.
export { Store } from './store/store.js'
export { ForkstoreMap, type AnyMap } from './collections/map.js'
export type {
  Amount,
  Fields,
  Given,
  IncrementOptions,
  NumericField,
  RemovableField,
} from './collections/map-types.js'
export { Query, type NumberOf, type ValueOf } from './collections/query.js'
export type { Callback } from './collections/query-stages.js'
export type { Comparable } from './collections/top-rows.js'
export { copy, query, type MemberNames, type Members } from './collections/view-functions.js'
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
  SnapshotReason,
  SnapshotResult,
  Storable,
  StoreEvents,
  StoreStats,
  Synchronous,
  Value,
} from './base/types.js'
