import { detached } from '../../../views/place.js'
import { Newcomers } from '../../../views/member-log.js'
import { NameScan } from '../../../views/name-scan.js'
import {
  ABSENT,
  type Place,
  type Scan,
  type TreeNode,
  type TreeEngine,
} from '../../../contract/tree-engine.js'
import { makeView } from '../../../views/view.js'
import type { Key } from '../../../base/types.js'
import { nextItem, presentItems } from './containers.js'
import { copyOut, isContainer, type Plain } from './copy.js'
import { Members } from './members.js'
import { JsArray, JsObject, type JsNode } from './tree-node.js'
import { ItemScan } from './tree-scan.js'
import type { Undo } from './undo.js'

/** What the tree needs of its engine. */
export interface TreeOwner {
  /** Another number after each change and when the engine closes. */
  changes: number
  readonly undo: Undo
  /** Throws ERR_FORKSTORE_CLOSED when the engine is closed. */
  assertOpen(): void
  /** Counts one write. */
  wrote(): void
  /** Whether there is a log. */
  readonly isLogged: boolean
  /**
   * Called before each change. Within a transaction: what is begun can be ended and taken back; else a
   * RangeError.
   */
  prepareChange(): void
  /**
   * Puts an operation (log-file.ts) into the log; `isJson`: JSON can say it. Called before the change, which
   * must then come. Errors: ERR_FORKSTORE_LOG_FAILED, ERR_FORKSTORE_TOO_LARGE.
   */
  record(operation: readonly unknown[], isJson: boolean): void
}

/** A map, as the place of its entries. It is told which entry was changed through a live view. */
export interface Holder extends Place {
  changed(key: Key): void
  /** What is below has left the store. */
  isDropped: boolean
}

/**
 * What can be read of the live tree over plain objects and arrays, and of the containers that maps hold; and
 * the views of them. tree.ts extends it by the changes.
 *
 * A container has a node once it was looked at. A view of one that was taken out must refuse: what takes one
 * out marks its node (`detach`), and a use of a node looks whether it or one that it lies in is marked.
 */
export abstract class TreeReader implements TreeEngine {
  readonly root: TreeNode
  /** What reads and changes the objects, those in maps too. */
  readonly members: Members
  protected readonly owner: TreeOwner
  /** Nodes of the containers that were looked at: the same view for the same container. */
  readonly #nodes = new WeakMap<object, JsNode>()
  /** Raised whenever a node may have become detached: what was found out before must be looked at again. */
  #departures = 0

  constructor(
    owner: TreeOwner,
    readonly data: Plain,
  ) {
    this.owner = owner
    this.members = new Members(owner.undo)
    this.root = this.#live(data, undefined, undefined, 'root')
  }

  abstract set(node: TreeNode, name: string, value: unknown): void
  abstract delete(node: TreeNode, name: string): boolean
  abstract setItem(node: TreeNode, index: number, value: unknown): void
  abstract deleteItem(node: TreeNode, index: number): boolean
  abstract setLength(node: TreeNode, length: number): void
  abstract splice(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): void
  abstract take(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): unknown[]
  abstract permute(node: TreeNode, order: Uint32Array): void

  get changes(): number {
    return this.owner.changes
  }

  get(node: TreeNode, name: string): unknown {
    const value = this.members.get(this.fieldsOf(node), name)
    return value === ABSENT ? ABSENT : this.#out(node, name, value)
  }

  has(node: TreeNode, name: string): boolean {
    return this.members.has(this.fieldsOf(node), name)
  }

  names(node: TreeNode): string[] {
    return this.members.names(this.fieldsOf(node))
  }

  size(node: TreeNode): number {
    return this.members.size(this.fieldsOf(node))
  }

  length(node: TreeNode): number {
    return this.itemsOf(node).length
  }

  item(node: TreeNode, index: number): unknown {
    const data = this.itemsOf(node)
    return Object.hasOwn(data, index) ? this.#out(node, index, data[index]) : ABSENT
  }

  hasItem(node: TreeNode, index: number): boolean {
    return Object.hasOwn(this.itemsOf(node), index)
  }

  indexes(node: TreeNode): string[] {
    return Object.keys(this.itemsOf(node))
  }

  copy(node: TreeNode): unknown {
    return this.members.copy(this.#check(node as JsNode).data)
  }

  copyItems(node: TreeNode, start: number, end: number): unknown[] {
    const copies: unknown[] = []
    for (const [index, value] of presentItems(this.itemsOf(node), start, end)) {
      copies[index - start] = this.members.copy(value)
    }
    copies.length = end - start
    return copies
  }

  scan(node: TreeNode, from = 0): Scan {
    const { data } = this.#check(node as JsNode)
    if (node.isArray) return new ItemScan(this, node, from)
    return new NameScan(this, node, this.names(node), new Newcomers(this.members.log, data as Plain))
  }

  /** The index of the first item from `from` on that is no hole; -1 when there is none. */
  nextItem(node: TreeNode, from: number): number {
    return nextItem(this.itemsOf(node), from)
  }

  // For maps.

  /** The view of a container in a map; a copy of any other value. */
  liveOf(holder: Holder, key: Key, value: unknown): unknown {
    if (!isContainer(value)) return copyOut(value)
    // As in the native engine, where the entry moves: what queries gave out before is out of date.
    if (!this.#nodes.has(value)) this.owner.changes++
    return this.#live(value, undefined, holder, key).view
  }

  /** What a query's callback is given: a view that can be read until the next change, or a copy. */
  readOnlyOf(holder: Place, key: Key, value: unknown): unknown {
    return isContainer(value) ? this.#make(value, undefined, holder, key, this.changes).view : copyOut(value)
  }

  /** Marks the node of a value that was taken out, if it has one. */
  detach(value: unknown): void {
    const node = this.#nodeOf(value)
    if (node === undefined) return
    node.isDetached = true
    this.#departures++
  }

  /** Makes every node look again whether it is detached: a whole map was dropped, or has come back. */
  recheckNodes(): void {
    this.#departures++
  }

  /** Takes the mark away: the value was put back. */
  attach(value: unknown): void {
    const node = this.#nodeOf(value)
    if (node !== undefined) node.isDetached = false
  }

  #nodeOf(value: unknown): JsNode | undefined {
    return typeof value === 'object' && value !== null ? this.#nodes.get(value) : undefined
  }

  protected fieldsOf(node: TreeNode): Plain {
    return this.#check(node as JsNode).data as Plain
  }

  protected itemsOf(node: TreeNode): unknown[] {
    return this.#check(node as JsNode).data as unknown[]
  }

  #check(node: JsNode): JsNode {
    this.owner.assertOpen()
    if (node.isReadOnly) {
      if (node.stamp !== this.changes) throw detached(node)
      return node
    }
    // Not always up to the root: in a deep tree each level would cost as much as all above it.
    const departures = this.#departures
    for (let at: JsNode | undefined = node; at !== undefined && at.checked !== departures; at = at.owner) {
      if (at.isDetached) throw detached(node)
      if (at.owner === undefined && (at.parent as Holder | undefined)?.isDropped) throw detached(node)
    }
    for (let at: JsNode | undefined = node; at !== undefined && at.checked !== departures; at = at.owner) {
      at.checked = departures
    }
    return node
  }

  #out(node: TreeNode, step: string | number, value: unknown): unknown {
    if (!isContainer(value)) return copyOut(value)
    const owner = node as JsNode
    if (owner.isReadOnly) {
      const views = (owner.views ??= new Map<object, object>())
      let view = views.get(value)
      if (view === undefined)
        views.set(value, (view = this.#make(value, owner, owner, step, owner.stamp).view))
      return view
    }
    return this.#live(value, owner, owner, step).view
  }

  #live(data: Plain | unknown[], owner: JsNode | undefined, parent: Place | undefined, step: Key): JsNode {
    let node = this.#nodes.get(data)
    if (node === undefined) {
      node = this.#make(data, owner, parent, step, NaN)
      this.#nodes.set(data, node)
    }
    return node
  }

  #make(
    data: Plain | unknown[],
    owner: JsNode | undefined,
    parent: Place | undefined,
    step: Key,
    stamp: number,
  ): JsNode {
    const node = Array.isArray(data)
      ? new JsArray(this, data, owner, parent, step, stamp)
      : new JsObject(this, data, owner, parent, step, stamp)
    makeView(node)
    return node
  }
}
