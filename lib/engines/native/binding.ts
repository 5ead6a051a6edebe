import type { EngineLogStats } from '../../contract/engine-log.js'

/**
 * What the C++ addon offers to this folder, and to nothing else. Hot calls take and return numbers;
 * errors are negative numbers (`-Code`, see native/base/status.h), with the text in `lastMessage()`;
 * they become `ForkstoreError`s here, in JavaScript.
 */

export interface NativeOpenOptions {
  /** Address space to reserve, in bytes. */
  maxBytes: number
  /** Where so much cannot be had: half, and so on, down to this. Default: it must be had. */
  leastBytes?: number | undefined
  hugePages: boolean
  /** Keep a log. Without it, one that is there is replayed and given up. Default false. */
  log?: boolean
  /** Damage to the log does not refuse; see `LogOptions`. Default false. */
  salvage?: boolean
  /** Snapshots will be by 'copy': what the first needs is prepared. Default false. */
  prepareCopies?: boolean
  /** Of them; 0: the default. */
  maxCopiedBytes?: number
  /**
   * How far the replay of a log is; must not throw. The last call, with equal numbers, comes before `open`
   * resolves.
   */
  onReplay?: ((doneBytes: number, totalBytes: number) => void) | undefined
  /** For tests: `LogOptions` of native/log/log.h. */
  logSizes?: {
    segmentBytes?: number
    softBoundBytes?: number
    hardBoundBytes?: number
    fragmentBytes?: number
    writeBytes?: number
    syncIntervalMs?: number
  }
}

/** How opening went; the same for a directory and for memory (all empty). */
export interface NativeRecovery {
  generation: number
  entries: number
  /** Newer generations that did not verify, newest first. */
  skipped: { generation: number; reason: string }[]
  /** The `identity` file was missing or damaged and has been written anew. */
  identityRestored: boolean
  /** `salvaged`: the damage that was gone over, or ''. */
  log: {
    found: boolean
    operations: number
    /** Of these, those that changed what is stored: not definitions of shapes, and the like. */
    writes: number
    /** Of the log that was read. */
    bytes: number
    tails: { file: string; offset: number; bytes: number }[]
    salvaged: string
    copies: string[]
  }
}

export interface NativeSnapshotOutcome {
  /** 0, or the code of the failure. */
  code: number
  message: string
  /** errno of the failed call, or 0. */
  systemErrno: number
  generation: number
  path: string
  bytes: number
  entries: number
  forkMs: number
  pauseMs: number
  durationMs: number
  copiedBytes: number
  isCopy: boolean
  /** StrategyReason of native/store/snapshot_strategy.h. */
  reason: number
  /** It failed because `maxCopiedBytes` were not enough. */
  copiesExceeded: boolean
}

export interface NativeStats {
  liveBytes: number
  freeBytes: number
  mappedBytes: number
  /** Not there as long as it is not known. */
  hugeBytes?: number
  dirtyBytes: number
  maxBytes: number
  entries: number
  maps: number
  writes: number
  shapes: number
  /** Objects and arrays that live views can look at, the root among them. */
  nodes: number
  snapshotBytesWritten: number
}

/** Its calls answer -Code once the map was dropped. */
export interface NativeMap {
  /** Arena offset of the value's root slot; 0 when the key is not there. */
  find(key: string): number
  /** The same for a number or bigint key whose bytes are in the operation buffer from byte 16. */
  findEncoded(keyKind: number, keyBytes: number): number
  /**
   * Applies the operation whose head and value are in the operation buffer; the key is appended and its
   * kind and length are filled in. `valueEnd` = 16 + valueBytes. 1 changed, 0 not, negative = -Code.
   */
  apply(valueEnd: number, key: string): number
  /** Offsets of up to `out.length` records with sequence >= `from`, in insertion order; how many. */
  scan(from: number, out: Float64Array): number
  size(): number
  /** Higher than that of any entry there ever was. */
  nextSequence(): number
}

/** The log; see native/log/log.h. Throws INVALID once the store is closed. */
export interface NativeLog {
  /**
   * Once. `onProgress` is called on turns of its own; it does not keep the process alive, unless `hold` says so.
   */
  start(onProgress: () => void): void
  endBatch(sync: boolean): void
  sequenceToAwait(): number
  durableSequence(): number
  /** A LogState. */
  state(): number
  isBehind(): boolean
  appendedBytes(): number
  /** With `nativeCode` and `systemErrno`. */
  failure(): Error | undefined
  /** Operations are answered with the failure from now on, or no longer. Between turns only. */
  refuseWrites(refuse: boolean): void
  hold(isHeld: boolean): void
  /** Waits until what was ended is on disk, or so many milliseconds have passed. */
  syncNow(mostMs: number): void
  /** Takes no operation and no snapshot afterwards; `onProgress`, once the state is kClosed. */
  beginClose(): void
  stats(): EngineLogStats
}

export interface NativeStore {
  readonly recovery: NativeRecovery
  /** Where operations are written; byte 0 is 8-aligned. Replaced by `growOperationBuffer`. */
  readonly operationBuffer: ArrayBuffer
  /** The old buffer stays readable; nothing is copied. Throws a RangeError where memory is short. */
  growOperationBuffer(bytes: number): ArrayBuffer
  /**
   * [0] the number that an INCREMENT gave; where the last `packItems` ended; what `holdItems` and `readHeld` say.
   * [1] the layout version, kept current by every call that can change it: a block or slot that was found under
   *     the same version is still where it was.
   * [2] the block of the node that the slot found by the last `findMember` or `findItem` refers to; 0 when that
   *     slot is none of a node.
   * [3] how often `packBuffer` has been replaced.
   * [4] how many blocks `reclaim` has moved: a record that was found under the same number, in a map that has not
   *     changed, is still where it was. [1] changes with blocks of the tree.
   * [5] below which arena offset all blocks end.
   */
  readonly result: Float64Array
  /** Applies the whole operation of `size` bytes in the operation buffer: >= 0, or -Code. */
  apply(size: number): number
  lastMessage(): string

  /**
   * The window over arena bytes [index * 2^30, (index + 1) * 2^30); undefined where external buffers are
   * forbidden. That of index 0 may be shorter, but not than `result[5]`: once that is larger, there is a
   * longer one, and the old one goes on showing what it showed.
   */
  segment(index: number): ArrayBuffer | undefined
  /**
   * The plain path: copies what is left of the block that holds the byte at `offset`, from there on,
   * into `out`; the bytes that there are (more than out.length: nothing was copied, come again).
   */
  readBlock(offset: number, out: Uint8Array): number

  // The tree. A block is where a node lies at the moment (`locate`); it must have been found under the
  // current layout version, else the answer is -Code or belongs to something else. Names are checked as
  // strings only; blocks only for being blocks of nodes.

  /** The block of a node that is in the tree, or 0 when it is detached. */
  locate(node: number): number
  /**
   * Arena offset of the slot of an object's member (in a TABLE: of the record's root slot), or 0; fills result[2].
   */
  findMember(block: number, name: string): number
  /** The same for an array's item; 0 for a hole, too. */
  findItem(block: number, index: number): number
  /** Of an array. */
  length(block: number): number
  /** As `NativeMap.scan`, over the members of a TABLE: records in the order of their sequence numbers. */
  scanTable(block: number, from: number, out: Float64Array): number
  /**
   * Of an array's items from index `from` on that are no holes: index and slot of each, one after the other;
   * how many: fewer than fit mean that there are no more.
   */
  scanItems(block: number, from: number, out: Float64Array): number
  /**
   * Writes the node as one plain value at the start of `packBuffer`; its bytes, or -Code (12 when it is detached).
   */
  pack(node: number): number
  /**
   * Writes up to `limit` of the items there are in [from, to) of an array as one array without holes, like `pack`;
   * result[0]: the index to go on with, `to` when there are no more.
   */
  packItems(node: number, from: number, to: number, limit: number): number
  /**
   * As `apply`, for a SPLICE of an array, outside of a transaction: the items that it removes are held, and
   * result[0] is the number of their list; 0 when they were of a LIST, which has few: then they are gone.
   */
  holdItems(size: number): number
  /**
   * Writes some of the items of a list as one array without holes, like `pack`: those behind the first
   * `taken`, at most `most` of them; their bytes, or -Code: 1 (FULL) when there is no memory for so many, 6
   * (TOO_LARGE) when the next one can never be read. `indexes` (room for 512): where each of them was among
   * all; result[0]: how many, 0 at the end. The same ones again when `taken` has not changed; else it must
   * have grown by as many as there were.
   */
  readHeld(list: number, taken: number, most: number, indexes: Float64Array): number
  /** What is left of the list is given back in steps. */
  dropHeld(list: number): number
  /**
   * Where `pack` puts values; replaced when it has to grow, and by a small one some time after that (result[3]).
   */
  readonly packBuffer: ArrayBuffer
  /**
   * As `NativeMap.apply`, for operations on nodes and ADOPT: code, nodeHigh, collection and valueBytes stand in the
   * operation buffer's head; key kind, key length and key are filled in.
   */
  applyKeyed(valueEnd: number, key: string): number

  /** Opens a transaction, or a savepoint in the one that is open: 0, or -Code. */
  begin(): number
  /** Ends the innermost scope and keeps what was done in it: 0, or -Code when none is open. */
  commit(): number
  /**
   * Ends the innermost scope and takes back what was done in it; shapes and maps that it made stay, those
   * that it dropped come back. 0, or -Code when none is open.
   */
  rollback(): number

  /** The id of a map, making it when new; or -Code. */
  openMap(name: string): number
  map(id: number): NativeMap
  /** Takes it out: 1, 0 when there is none, or -Code. */
  dropMap(name: string): number
  /** Some of the maps with ids >= `from`, ascending; none: there are no more. */
  maps(from: number): { id: number; name: string }[]

  /**
   * The id of the shape with these names in this order, defining it when new; or -Code (6, TOO_LARGE: there
   * is none, use a dictionary).
   */
  defineShape(names: string[]): number
  shapeNames(id: number): string[]

  /**
   * Frees up to `budget` blocks of cleared maps and dropped subtrees, or moves some out of units that have few
   * live ones (result[1], [4]); true when nothing is left to do for now.
   */
  reclaim(budget: number): boolean
  /**
   * Starts a snapshot: false when a helper thread is in the way or a transaction is open, to be tried again next
   * turn. A fork that fails is reported to `done` as well, on a later turn; throws (SNAPSHOT_FAILED) where there
   * can be no `done`.
   */
  snapshot(
    keep: number,
    watchdogMs: number,
    /** AskedStrategy of native/store/snapshot_strategy.h. */
    strategy: number,
    /** 0: by the size of the store. */
    maxCopiedBytes: number,
    /** 0: no limit. */
    maxBytesPerSecond: number,
    done: (outcome: NativeSnapshotOutcome) => void,
  ): boolean
  /** To be asked for once; undefined when the store keeps none. */
  log(): NativeLog | undefined
  stats(): NativeStats
  /**
   * From now on every call fails, and the windows are detached. Kills a running snapshot's child, unmaps the arena
   * and releases the lock in the background; resolves when that is done. At once when it was called before.
   */
  close(): Promise<void>
}

export interface NativeBinding {
  /** `path` undefined: memory only. Rejects with an Error that has `nativeCode` (a Code) and `systemErrno`. */
  open(path: string | undefined, options: NativeOpenOptions): Promise<NativeStore>
}
