import { inspect } from 'node:util'
import type { Key } from '../base/types.js'

/**
 * What a storage engine offers to the live views: objects and arrays that keep their identity while they are in the
 * tree. `lib/engines/native/tree/tree.ts` and `lib/engines/js/data/tree.ts` implement it; views, array
 * methods, copies and queries are written once, against this.
 *
 * A node is what an engine knows of one object or array, and the handler of its view's Proxy at once, so that a
 * view costs two allocations: engines extend `ObjectNode` (object-view.ts) and `ArrayNode` (array-view.ts),
 * which bring the traps, by whatever fields they need, and make the Proxy with `makeView(node)`.
 *
 * Values that go out: plain ones that hold no others (Dates and byte arrays are copies), and views. Values
 * that come in: anything; what cannot be stored is refused, and views in it (`viewOf`) are copied as what
 * they show.
 *
 * Errors of every method: `ERR_FORKSTORE_CLOSED`; `ERR_FORKSTORE_DETACHED` (`detached(node)` of place.ts)
 * when the node has left the tree. A refused change changes nothing.
 */

/** There is no such member, or a hole. */
export const ABSENT: unique symbol = Symbol('absent')

/** Where something lies, for messages: a node, or a map (no parent; the step is its name). */
export interface Place {
  /** From where it was first reached. Undefined: the root, or a map. */
  readonly parent: Place | undefined
  /** The name, index or (in a map) key in the parent; 'root'; or the name of a map. */
  readonly step: Key
}

/** One object or array. Two of these may stand for the same one: `shows` tells. */
export abstract class TreeNode implements Place {
  abstract readonly isArray: boolean
  /** A value seen in a query's callback that is no node of the tree: traps refuse to change it. */
  get isReadOnly(): boolean {
    return false
  }
  /** The Proxy whose handler this is; set by `makeView`. */
  view: object = undefined as never

  constructor(
    readonly tree: TreeEngine,
    readonly parent: Place | undefined,
    readonly step: Key,
  ) {}

  /** Whether another node stands for the same object or array of the store. */
  shows(other: TreeNode): boolean {
    return this === other
  }

  /** `%o` and `showProxy` show what lies behind a Proxy: not to be the whole engine. */
  [inspect.custom](): string {
    return `[node: ${String(this.step)}]`
  }
}

/** Goes through the members of an object, the items of an array (holes are left out) or the entries of a map. */
export interface Scan {
  /**
   * Goes on to the next one; false when there is none. What is removed before its turn is not visited; what is
   * added behind the place may be.
   */
  next(): boolean
  /** The current one's name (string), index (number) or key. To be read before anything changes. */
  name(): Key
  /** The current one's value, decoded when asked for. To be read before anything changes. */
  value(): unknown
  /**
   * Ends it before its end: closes iterators of the caller's that are under way. Where there may be none: missing.
   */
  close?(): void
}

export interface TreeEngine {
  /** The object behind `store.root`. */
  readonly root: TreeNode
  /**
   * Another number after every change (of the tree or anything else), a rollback, and when the store closes:
   * what was read before may be out of date.
   */
  readonly changes: number

  // Objects. Names are any strings.
  /** Its value, or `ABSENT`. */
  get(node: TreeNode, name: string): unknown
  has(node: TreeNode, name: string): boolean
  /** In property order: array indexes ascending, then the others as they came. */
  names(node: TreeNode): string[]
  /** How many members an object has. */
  size(node: TreeNode): number
  /** Stores a copy. Errors: those of `map.set`; messages name the path (place.ts). */
  set(node: TreeNode, name: string, value: unknown): void
  /** Whether it was there. */
  delete(node: TreeNode, name: string): boolean

  // Arrays. Indexes are integers from 0 to 2^32 - 2.
  length(node: TreeNode): number
  /** Its value; `ABSENT` for a hole and beyond the length. */
  item(node: TreeNode, index: number): unknown
  hasItem(node: TreeNode, index: number): boolean
  /** The indexes that are no holes, ascending, as strings. */
  indexes(node: TreeNode): string[]
  /** Beyond the length: the array grows, with holes. */
  setItem(node: TreeNode, index: number, value: unknown): void
  /** Leaves a hole; whether there was none. */
  deleteItem(node: TreeNode, index: number): boolean
  /** REQUIRES: an integer from 0 to 2^32 - 1. */
  setLength(node: TreeNode, length: number): void
  /**
   * In place; items behind keep their identity; holes in `items` stay holes. REQUIRES: `start + deleteCount` is at
   * most the length, and the new length below 2^32.
   */
  splice(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): void
  /**
   * As `splice`, and gives the removed items, with their holes, as plain data of the caller's own: an array,
   * or where there are very many a Proxy that is one when it is looked at (taken-items.ts).
   */
  take(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): unknown[]
  /** Item i becomes what item order[i] was (holes too). REQUIRES: order holds each index once. */
  permute(node: TreeNode, order: Uint32Array): void

  /** The whole subtree as plain data, in one pass. */
  copy(node: TreeNode): unknown
  /** Items [start, end) of an array as plain data, holes too. REQUIRES: `end` is at most the length. */
  copyItems(node: TreeNode, start: number, end: number): unknown[]
  /** Members of an object in property order, or items of an array, those from index `from` on: read in batches. */
  scan(node: TreeNode, from?: number): Scan
}
