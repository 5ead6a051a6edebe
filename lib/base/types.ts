/**
 * What a store keeps: any nesting of these. Assigning copies; the store owns its values. Of an array its
 * items are kept (holes too), and no other properties: `Object.assign([1], { extra: 2 })` comes back as `[1]`.
 *
 * A check that needs no type of its own: `const value: Value = user`. It sees object literals and arrays at
 * every depth, and of other objects what they are, not their members; `Storable<User>` checks those too.
 */
export type Value = Leaf | readonly Value[] | { readonly [key: string]: Value } | AnyInterface

/** Values that hold no others. */
type Leaf = null | undefined | boolean | number | bigint | string | Date | Uint8Array

/**
 * Interfaces have no index signature, so the arm above does not take them. This one does; functions, Maps,
 * Sets, promises, regular expressions and the like have one of these symbols.
 */
type AnyInterface = object & {
  readonly [Symbol.hasInstance]?: never
  readonly [Symbol.iterator]?: never
  readonly [Symbol.match]?: never
  readonly [Symbol.toStringTag]?: never
}

/**
 * What `T` must be assignable to, so that all of it can be stored: where it cannot, there is `never` in the
 * place of the functions, symbols and methods in it. `store.map<K, T>`, `open<T>` and `set` ask for it. A
 * generic function asks with `<T extends Storable<T>>`, and `user satisfies Storable<User>` checks a value.
 *
 * Types cannot tell everything: an instance of a class without methods looks like a plain object, and so does
 * an `Error`, and a variable may hold an instance with more members than its type has. Those are refused when
 * they are stored, with `ERR_FORKSTORE_UNSUPPORTED_VALUE`. `any` and `unknown` may be anything, and are
 * taken. Symbols as names are left out.
 */
export type Storable<T> = { all: T } extends { all: Checked<T> } ? unknown : Checked<T>

type Checked<T> = unknown extends T
  ? unknown
  : T extends Leaf
    ? Leaf
    : T extends symbol | ((...args: never) => unknown) | (abstract new (...args: never) => unknown)
      ? never
      : T extends readonly (infer Item)[]
        ? readonly Checked<Item>[]
        : { [Name in keyof T]: Name extends symbol ? unknown : Checked<T[Name]> }

/**
 * What a transaction may return: anything but a promise, or what is awaited like one. A function that hands a
 * callback on to `transaction` declares it so: `function run<R>(change: () => Synchronous<R>): R`.
 */
export type Synchronous<Result> = Result extends { then(...args: never): unknown } ? never : Result

/** The type of `store.root` where `open` is not told one. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- so that `root.users[email].visits` can be written
export type AnyRoot = Record<string, any>

/** Keys of a map. `1`, `'1'` and `1n` are different keys; `NaN` equals itself, `-0` equals `0`. */
export type Key = string | number | bigint

/**
 * What queries over maps show and give out: the same at every depth, but not to be written to, since that
 * would change nothing in the store. (What `get` returns is the caller's own copy, and is not of this type.)
 */
export type DeepReadonly<V> = unknown extends V
  ? V
  : V extends Date | Uint8Array | ((...args: never[]) => unknown)
    ? V
    : V extends object
      ? number extends LengthOf<V> // not a tuple; by itself, as a mapped type of `type Json = Json[] | ...` has no end
        ? readonly DeepReadonly<ItemOf<V>>[]
        : { readonly [Name in keyof V]: DeepReadonly<V[Name]> }
      : V

type LengthOf<V> = V extends readonly unknown[] ? V['length'] : never
type ItemOf<V> = V extends readonly (infer Item)[] ? Item : never

/** When snapshots are taken on their own. */
export interface SnapshotOptions {
  /** A snapshot every so many milliseconds, if something was written since the last. 0: off. Default 60,000. */
  everyMs?: number
  /**
   * A snapshot after so many writes. 0: off. By default 100,000, or as many as the store has entries and
   * nodes when that is more, since an image holds all of it.
   */
  afterWrites?: number
  /**
   * A snapshot after so many bytes of log, which lets older parts of the log go. 0: off. By default 32 MiB, or as
   * many as the data has when that is more. Without a log: no effect.
   */
  everyLogBytes?: number
  /** How many generations to keep on disk, at least 1. Default 2. */
  keep?: number
  /** Take a last snapshot in `close()` if something was written since the last. Default true. */
  onClose?: boolean
  /**
   * A child that reports no progress for so many milliseconds is killed; a thread is given up. Default 30,000.
   */
  watchdogMs?: number
  /**
   * `'fork'`: a forked child writes. `'copy'`: a thread writes, and what is about to change is copied first; the
   * pause does not grow with the store. `'auto'` (default): fork while that takes less than a millisecond, else
   * copy. docs/design.md, "Two strategies". Engine `js`: no effect.
   */
  strategy?: 'auto' | 'fork' | 'copy'
  /**
   * How much memory copies may take while a snapshot is written by `'copy'`, in bytes. Beyond, the snapshot is
   * given up, and the last one stands; `'auto'` goes on with a fork. Default a quarter of the store, at least 64
   * MiB; near a memory limit half of what it leaves, at least 16 MiB.
   */
  maxCopiedBytes?: number
  /**
   * How fast a snapshot may be written, in bytes a second, at least 1 MiB: for a disk that others need, too. Also
   * of the one that `close()` takes. Default: no fixed limit. Engine `js`: no effect.
   */
  maxBytesPerSecond?: number
}

/**
 * Why a snapshot was taken in its way. `'asked'`: the option says so. `'fork-is-quick'`: less than a
 * millisecond. `'fork-is-slow'`, `'pages-are-split'` (writes during snapshots have split huge pages):
 * more. `'fork-refused'`: the system did not let the process fork. `'memory-limit'`: what a fork has copied might
 * go beyond it. `'copies-exceeded'`: `maxCopiedBytes` were not enough. `'no-addresses'`: the process may not
 * have as many as copies need. `'thread-waits'`: that of the last snapshot still waits for the disk.
 * `'only-way'`: engine `js` has no other.
 */
export type SnapshotReason =
  | 'asked'
  | 'fork-is-quick'
  | 'fork-is-slow'
  | 'pages-are-split'
  | 'fork-refused'
  | 'memory-limit'
  | 'copies-exceeded'
  | 'no-addresses'
  | 'thread-waits'
  | 'only-way'

/**
 * When a change is on disk. `'snapshot'`: with the next snapshot. `'everysec'`: in a log that is synced once
 * a second. `'commit'`: in the same log, synced as soon as the turn of the event loop ends. See
 * docs/durability.md.
 */
export type DurabilityMode = 'snapshot' | 'everysec' | 'commit'

/** How far `open` has got. */
export interface OpenProgress {
  /** `'replay'`: what the log holds is applied. */
  phase: 'replay'
  doneBytes: number
  totalBytes: number
}

/** Options of `open`. */
export interface OpenOptions {
  /** Default `'everysec'`. A store in memory has no log: only `'snapshot'` can be said of one. */
  durability?: DurabilityMode
  /**
   * `'salvage'`: where the log is damaged, take what comes before the damage instead of refusing to open. The
   * damaged files are first copied to names that end in `.damaged`, and the `recovered` event tells.
   */
  recover?: 'salvage'
  /**
   * `false`: where the path holds no store, none is made, and `open` rejects with `ERR_FORKSTORE_NOT_FOUND`.
   * Default true.
   */
  create?: boolean
  /**
   * Signals that close the store, as `close()` does, and then end the process as they would have done at
   * once; a second one of the kind ends it without waiting. Where the application listens for the signal too,
   * it ends the process itself. Default none. Not in worker threads, which get no signals.
   */
  closeOn?: readonly NodeJS.Signals[]
  /**
   * Called now and then while a log is replayed, and last with `doneBytes` equal to `totalBytes`; not without
   * a log.
   */
  onProgress?: (progress: OpenProgress) => void
  /** `false` turns all automatic snapshots off, the one on close included. */
  snapshot?: SnapshotOptions | false
  /**
   * How far the data can grow, in bytes: addresses, not memory used. Default 64 GiB; 4 MiB to 256 GiB. A
   * store that holds more already, up to twice as much, opens all the same (where the process may reserve as
   * many addresses), and can be read and deleted from. Beyond: `ERR_FORKSTORE_FULL`. Where the default cannot
   * be had (`ulimit -v`, `ulimit -d`, `overcommit_memory=2`), as much as can, halved down to 64 MiB; what is
   * asked for must be had.
   */
  maxBytes?: number
  /**
   * `'native'`: C++ or an error. `'js'`: pure JavaScript. `'auto'`: native where it runs, else js with a `warning`.
   */
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
  /** Memory copied meanwhile, in bytes: by copy-on-write; with `'copy'`, the most that copies took at one time. */
  copiedBytes: number
  /** `'inline'`: by the event loop itself (engine `js`). */
  strategy: 'fork' | 'copy' | 'inline'
  reason: SnapshotReason
}

/**
 * What `store.stats()` returns, in the same time however much there is. Bytes are bytes of the arena (engine
 * `native`); 0 where there is none.
 */
export interface StoreStats {
  engine: 'native' | 'js'
  entries: number
  /** Writes in the life of the store; new maps and new shapes of objects (engine `native`) count too. */
  writes: number
  /** How many maps there are; `store.maps()` gives them, and `size` of each its entries. */
  maps: number
  /**
   * Engine `native`: objects and arrays of the live tree, the root included; what `map.live` was asked for,
   * too, and what was removed and whose memory has not been given back yet. Engine `js` does not count them:
   * 0.
   */
  nodes: number
  bytes: {
    /** In use by data. */
    live: number
    /** Free for reuse inside what is mapped. */
    free: number
    /** Reached by data so far: live + free + unusable remainders. */
    mapped: number
    /**
     * Of `mapped`, what lies in huge pages, when last looked: as the store had grown by a quarter, and after a
     * snapshot, when what a fork had split was put together again. A fork takes some forty times as long
     * for what does not. Undefined before the first look, and where the kernel cannot say (before Linux 6.7).
     */
    huge: number | undefined
    /** Changed since the last snapshot, in whole pages. */
    dirty: number
    /** The limit: `maxBytes`, or less than its default where the process may not have as many addresses. */
    max: number
  }
  snapshot: {
    running: boolean
    /** Of the running snapshot. */
    bytesWritten: number
    last: SnapshotResult | undefined
    /** Failures since the last success. */
    failures: number
  }
  /** Undefined with `durability: 'snapshot'`, and in memory. */
  log: LogStats | undefined
}

/** The log's part of `store.stats()`. */
export interface LogStats {
  durability: 'everysec' | 'commit'
  /**
   * `healthy`; or, after the disk has refused a write or a sync, `failed` (a snapshot is about to begin,
   * which makes good what the log has lost), `healing` (it is under way), `read-only` (it failed: writes are
   * refused with `ERR_FORKSTORE_LOG_FAILED`, and it is tried again, until it succeeds).
   */
  state: 'healthy' | 'failed' | 'healing' | 'read-only'
  /** Waiting in memory to be written; engine `js`: also what the system has and is not known to be on disk. */
  bufferedBytes: number
  /**
   * More waits than 64 MiB. `commit()` takes as long as the disk does; beyond 256 MiB writes wait (engine
   * `js`: not within a transaction).
   */
  behind: boolean
  /** Times that a write has waited for the disk. */
  stalls: number
  /** Written to the log since the store was opened, in bytes. */
  appendedBytes: number
  /** Turns of the event loop, or transactions, since the store was opened. */
  batches: number
  /** Files of the log on disk. */
  segments: number
  /** fdatasync calls since the store was opened; how long the last one took, and the longest, in milliseconds. */
  syncs: number
  lastSyncMs: number
  longestSyncMs: number
}

/** Told by the `recovered` event and `store.recovered`: what `open` had to leave behind. */
export interface Recovered {
  /** The generation that was loaded. */
  generation: number
  entries: number
  /** Newer generations that could not be used, newest first. */
  skipped: { generation: number; reason: string }[]
  /**
   * The directory's `identity` file was damaged and was written anew. (One that is missing is written without
   * a word.)
   */
  identityRestored: boolean
  /** What of the log did not count; undefined when all of it did. */
  log: RecoveredLog | undefined
}

/** The end of a log that did not count. */
export interface RecoveredLog {
  /**
   * Torn: a crash came while it was written; nobody had been told that it was on disk. `bytes` were there
   * from `offset` of the file on.
   */
  cut: { file: string; offset: number; bytes: number }[]
  /** With `recover: 'salvage'`: the damage, and where the files were copied to. */
  salvaged: { reason: string; copies: string[] } | undefined
}

/** Events of a store, with the arguments of their listeners. */
export interface StoreEvents {
  snapshot: [result: SnapshotResult]
  'snapshot-error': [error: Error]
  recovered: [what: Recovered]
  warning: [warning: Error]
}
