/**
 * What a store keeps: any nesting of these. Assigning copies; the store owns its values. Of an array its
 * items are kept (holes too), and no other properties: `Object.assign([1], { extra: 2 })` comes back as `[1]`.
 */
export type Value =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value }

/** The type of `store.root` where `open` is not told one. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- so that `root.users[email].visits` can be written
export type AnyRoot = Record<string, any>

/** Keys of a map. `1`, `'1'` and `1n` are different keys; `NaN` equals itself, `-0` equals `0`. */
export type Key = string | number | bigint

/** When snapshots are taken on their own. */
export interface SnapshotOptions {
  /** A snapshot every so many milliseconds, if something was written since the last. 0: off. Default 60,000. */
  everyMs?: number
  /** A snapshot after so many writes. 0: off. Default 100,000. */
  afterWrites?: number
  /** How many generations to keep on disk, at least 1. Default 2. */
  keep?: number
  /** Take a last snapshot in `close()` if something was written since the last. Default true. */
  onClose?: boolean
  /** A child that reports no progress for so many milliseconds is killed. Default 30,000. */
  watchdogMs?: number
}

/** Options of `open`. */
export interface OpenOptions {
  /** `false` turns all automatic snapshots off, the one on close included. */
  snapshot?: SnapshotOptions | false
  /** Address space reserved, in bytes: the most the data can take; not memory used. Default 64 GiB; 4 MiB to 256 GiB. */
  maxBytes?: number
  /** `'native'`: C++ or an error. `'js'`: pure JavaScript. `'auto'`: native where it runs, else js with a `warning`. */
  engine?: 'native' | 'js' | 'auto'
}

/** What one snapshot was and cost. */
export interface SnapshotResult {
  /** Number of the file; each is one higher than the last. */
  generation: number
  /** Absolute path of the file. */
  path: string
  /** Size of the file in bytes. */
  bytes: number
  /** Entries in all maps. */
  entries: number
  /** How long the event loop was held, in milliseconds. */
  pauseMs: number
  /** Of that, the fork itself, in milliseconds. 0 where nothing is forked. */
  forkMs: number
  /** From the start to the durable file, in milliseconds. */
  durationMs: number
  /** Memory copied by copy-on-write while the child lived, in bytes. */
  copiedBytes: number
}

/** What `store.stats()` returns. Bytes are bytes of the arena (engine `native`); 0 where there is none. */
export interface StoreStats {
  engine: 'native' | 'js'
  entries: number
  /** Writes in the life of the store; new maps and new shapes of objects (engine `native`) count too. */
  writes: number
  /** Objects and arrays of the live tree, the root included; engine `native`: what `map.live` was asked for, too. */
  nodes: number
  bytes: {
    /** In use by data. */
    live: number
    /** Free for reuse inside what is mapped. */
    free: number
    /** Reached by data so far: live + free + unusable remainders. */
    mapped: number
    /** Changed since the last snapshot, in whole pages. */
    dirty: number
    /** The limit: `maxBytes`. */
    max: number
  }
  collections: Record<string, { kind: 'map'; entries: number }>
  snapshot: {
    running: boolean
    /** Of the running snapshot. */
    bytesWritten: number
    last: SnapshotResult | undefined
    /** Failures since the last success. */
    failures: number
  }
}

/** Told by the `recovered` event and `store.recovered`: what `open` had to leave behind. */
export interface Recovered {
  /** The generation that was loaded. */
  generation: number
  entries: number
  /** Newer generations that could not be used, newest first. */
  skipped: { generation: number; reason: string }[]
  /** The directory's `identity` file was missing or damaged and was written anew. */
  identityRestored: boolean
}

/** Events of a store, with the arguments of their listeners. */
export interface StoreEvents {
  snapshot: [result: SnapshotResult]
  'snapshot-error': [error: Error]
  recovered: [what: Recovered]
  warning: [warning: Error]
}
