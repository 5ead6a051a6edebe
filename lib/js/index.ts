export { open } from './open.js'
export { Store } from '../store.js'
export { ForkstoreMap } from '../map.js'
export { ForkstoreError, type ForkstoreErrorCode } from '../errors.js'
export type {
  Key,
  OpenOptions,
  Recovered,
  SnapshotOptions,
  SnapshotResult,
  StoreEvents,
  StoreStats,
  Value,
} from '../types.js'
