import type { EngineLog } from './engine-log.js'
import type { Recovered, SnapshotOptions, SnapshotResult } from '../base/types.js'
import type { TreeEngine } from './tree-engine.js'

/** How one snapshot is to be taken. */
export interface SnapshotSettings {
  keep: number
  watchdogMs: number
  strategy: NonNullable<SnapshotOptions['strategy']>
  /** undefined: by the size of the store. */
  maxCopiedBytes?: number | undefined
  /** undefined: no limit. */
  maxBytesPerSecond?: number | undefined
}

/**
 * What a storage engine must do; `lib/engines/native/` and `lib/engines/js/` each implement it. `Store`
 * (lib/store/store.ts) adds everything that is the same for both: options, triggers, events, the life cycle.
 */
export interface Engine<AnyMap = unknown> {
  readonly name: 'native' | 'js'
  /** What opening had to leave behind; undefined when all was well. */
  readonly recovered: Recovered | undefined
  /** undefined: memory only. */
  readonly path: string | undefined
  /** undefined: the engine keeps none. */
  readonly log: EngineLog | undefined
  /** Writes that opening found in the log, and that no snapshot holds. */
  readonly replayedWrites: number
  /** How much log opening has read for them, in bytes. */
  readonly replayedLogBytes: number
  /** Called after every successful write (not for refused ones or those that change nothing). */
  onWrite: () => void
  /**
   * Called after what is in the log but changes nothing that is stored: an entry was made nodes for a live view.
   */
  onAdopt: () => void
  /** The map with this name, making it when new: the same object each time. */
  map(name: string): AnyMap
  /**
   * Takes a map out; its handles throw ERR_FORKSTORE_DETACHED, unless that is taken back. Whether there was one.
   */
  dropMap(name: string): boolean
  /** The maps, in the order in which they were made; a bounded piece of work for each. */
  maps(): IterableIterator<AnyMap>
  /** Errors: `ERR_FORKSTORE_CLOSED`. */
  readonly tree: TreeEngine
  /** Opens a scope: what is written to maps and the tree from then on can be taken back. Scopes nest. */
  begin(): void
  /** Ends the innermost scope and keeps what was written. */
  commit(): void
  /** Ends it and takes that back. */
  rollback(): void
  /** How many scopes are open. */
  readonly scopes: number
  /**
   * Set, by a plain assignment, when scopes beyond so many have failed. `settle` takes them back; where the
   * error is a stack overflow there may be no room for that call, so every write, every call of a map,
   * snapshots and the end of the turn begin with it. (A view may show until then what has not been taken
   * back.)
   */
  keptScopes: number
  /** Takes back the scopes that have failed. */
  settle(): void
  /** Takes one snapshot now. Called between turns of the event loop, never twice at once. */
  snapshot(options: SnapshotSettings): Promise<SnapshotResult>
  /** Does a bounded piece of work in the background; true when there is no more. */
  idle(): boolean
  /** Takes the same time however much there is. */
  stats(): EngineStats
  /**
   * What a snapshot would write, about: entries and nodes, and bytes. Takes the same time however much there is.
   */
  weight(): { items: number; bytes: number }
  /** Maps throw ERR_FORKSTORE_CLOSED from then on; a last snapshot and `close` are still to come. */
  seal(): void
  /** Maps throw ERR_FORKSTORE_CLOSED from then on. Gives everything back; resolves when the lock is free. */
  close(): Promise<void>
}

/** What `keptScopes` is when no scope has failed. */
export const ALL_SCOPES = 2 ** 30

export interface EngineStats {
  entries: number
  writes: number
  /**
   * Objects and arrays of the tree, the root and adopted entries of maps included; 0 where they are not counted.
   */
  nodes: number
  bytes: { live: number; free: number; mapped: number; huge: number | undefined; dirty: number; max: number }
  maps: number
  snapshotBytesWritten: number
}
