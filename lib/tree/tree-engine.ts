/**
 * What a storage engine offers to the live views (`view.ts`): objects and arrays that keep their identity while
 * they are in the tree. `lib/native/tree.ts` and `lib/js/tree.ts` implement it; views, array methods, copies and
 * queries are written once, against this.
 *
 * Errors of every method: `ERR_FORKSTORE_CLOSED`; `ERR_FORKSTORE_DETACHED` when the node has left the tree. A refused
 * change changes nothing.
 */

/** There is no such member, or a hole. */
export const ABSENT: unique symbol = Symbol('absent')

/** One object or array, as an engine knows it. The same object for the same node as long as its view is kept. */
export abstract class TreeNode {
  /** Never changes. */
  abstract readonly isArray: boolean
  /** A value seen inside a query's callback that is no node of its own: it cannot be changed. */
  abstract readonly isReadOnly: boolean
  /** From where it was first reached: for messages. Undefined for the root. */
  abstract readonly parent: TreeNode | undefined
  /** Its name or index in the parent when it was reached; the name of the root or of the map. */
  abstract readonly step: string | number
}

export interface TreeEngine {
  /** The object behind `store.root`. */
  readonly root: TreeNode
  /**
   * The view of a node: makes it with `makeView` when none is remembered. The same view for the same node as
   * long as anybody holds it (docs/design.md, "Views").
   */
  view(node: TreeNode): object
  /** Set once by `view.ts`. */
  makeView: (node: TreeNode) => object

  // Objects. Names are any strings.
  /** A plain value that holds no other (Dates and byte arrays are copies), a `TreeNode`, or `ABSENT`. */
  get(node: TreeNode, name: string): unknown
  has(node: TreeNode, name: string): boolean
  /** In property order: array indexes ascending, then the others as they came. */
  names(node: TreeNode): string[]
  /** Stores a copy of `value`; views in it are copied as what they show. Errors: those of `map.set`. */
  set(node: TreeNode, name: string, value: unknown): void
  /** Whether it was there. */
  delete(node: TreeNode, name: string): boolean

  // Arrays. Indexes are integers from 0 to 2^32 - 2.
  length(node: TreeNode): number
  item(node: TreeNode, index: number): unknown
  setItem(node: TreeNode, index: number, value: unknown): void
  /** Leaves a hole. */
  deleteItem(node: TreeNode, index: number): boolean
  setLength(node: TreeNode, length: number): void
  /** In place; `start + deleteCount` is at most the length. Items after it keep their identity. */
  splice(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): void
  /** Item i becomes what item order[i] was; each index once. */
  permute(node: TreeNode, order: Uint32Array): void

  /** The whole subtree as plain data, in one pass. */
  copy(node: TreeNode): unknown
  /** Members or items, in order, read in batches; holes are left out. Names of items are their indexes. */
  members(node: TreeNode): Iterator<[name: string | number, value: unknown]>
}
