import { ForkstoreError } from '../../../base/errors.js'
import { describeBelow, describePlace, detached } from '../../../views/place.js'
import { Newcomers } from '../../../views/member-log.js'
import { NameScan } from '../../../views/name-scan.js'
import { changedMeanwhile } from '../../../views/refusals.js'
import { MOST_COPIED } from '../../../views/taken-items.js'
import {
  ABSENT,
  type Place,
  type Scan,
  type TreeEngine,
  type TreeNode,
} from '../../../contract/tree-engine.js'
import { makeView } from '../../../views/view.js'
import type { Key } from '../../../base/types.js'
import { isJsonKey } from './keys.js'
import { isKeyTooLong } from '../../../base/value-errors.js'
import {
  arrayOf,
  nextItem,
  permuteItems,
  presentItems,
  replaceItems,
  spliceItems,
  type Items,
} from './containers.js'
import { copyIn, copyOut, isContainer, type Plain } from './copy.js'
import { Members } from './members.js'
import { JsArray, JsObject, pathOf, type JsNode } from './tree-node.js'
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
   * Called before each change. Within a transaction: what is begun can be ended and taken back; else a RangeError.
   */
  prepareChange(): void
  /**
   * Puts an operation (log-file.ts) into the log; `isJson`: JSON can say it. Called before the change, which
   * must then come. Errors: ERR_FORKSTORE_LOG_FAILED, ERR_FORKSTORE_TOO_LARGE.
   */
  record(operation: readonly unknown[], isJson: boolean): void
}

/** Is told that what lies below an entry was changed. */
export interface Holder extends Place {
  changed(key: Key): void
  /** What is below has left the store. */
  isDropped: boolean
}

/** The live tree over plain objects and arrays, and the live views of what maps hold. */
export class JsTree implements TreeEngine {
  readonly root: TreeNode
  /** What reads and changes the objects, those in maps too. */
  readonly members: Members
  readonly #owner: TreeOwner
  /** Nodes of the containers that were looked at: the same view for the same container. */
  readonly #nodes = new WeakMap<object, JsNode>()
  /** How many containers that have a node were taken out. */
  #departures = 0

  constructor(
    owner: TreeOwner,
    readonly data: Plain,
  ) {
    this.#owner = owner
    this.members = new Members(owner.undo)
    this.root = this.#live(data, undefined, undefined, 'root')
  }

  get changes(): number {
    return this.#owner.changes
  }

  get(node: TreeNode, name: string): unknown {
    const value = this.members.get(this.#object(node), name)
    return value === ABSENT ? ABSENT : this.#out(node, name, value)
  }

  has(node: TreeNode, name: string): boolean {
    return this.members.has(this.#object(node), name)
  }

  names(node: TreeNode): string[] {
    return this.members.names(this.#object(node))
  }

  size(node: TreeNode): number {
    return this.members.size(this.#object(node))
  }

  set(node: TreeNode, name: string, value: unknown): void {
    this.#object(node)
    if (isKeyTooLong(name)) {
      throw new ForkstoreError(
        'ERR_FORKSTORE_TOO_LARGE',
        `${describePlace(node, name)}: the name is too long`,
      )
    }
    const copied = copyIn((steps) => describeBelow(node, [name, ...steps]), value)
    const data = this.#object(node) // a getter of the value's may have changed anything
    this.#record(node, copied.isJson, 'set', name, copied.value)
    this.setField(data, name, copied.value)
    this.#wrote(node)
  }

  delete(node: TreeNode, name: string): boolean {
    const data = this.#object(node)
    const value = this.members.get(data, name)
    if (value === ABSENT) return false
    this.#record(node, true, 'delete', name)
    this.members.delete(data, name)
    this.#replaced(value, undefined)
    this.#wrote(node)
    return true
  }

  length(node: TreeNode): number {
    return this.#array(node).length
  }

  item(node: TreeNode, index: number): unknown {
    const data = this.#array(node)
    return Object.hasOwn(data, index) ? this.#out(node, index, data[index]) : ABSENT
  }

  hasItem(node: TreeNode, index: number): boolean {
    return Object.hasOwn(this.#array(node), index)
  }

  indexes(node: TreeNode): string[] {
    return Object.keys(this.#array(node))
  }

  setItem(node: TreeNode, index: number, value: unknown): void {
    this.#array(node)
    const { value: copied, isJson } = copyIn((steps) => describeBelow(node, [index, ...steps]), value)
    const data = this.#array(node)
    this.#record(node, isJson, 'set', index, copied)
    const { undo } = this.#owner
    const { length } = data
    const wasThere = Object.hasOwn(data, index)
    const before = data[index]
    data[index] = copied
    this.detach(before)
    if (undo.active) {
      undo.record(() => {
        if (wasThere) data[index] = before
        else Reflect.deleteProperty(data, index)
        data.length = length
        this.detach(copied)
        this.attach(before)
      })
    }
    this.#wrote(node)
  }

  deleteItem(node: TreeNode, index: number): boolean {
    const data = this.#array(node)
    if (!Object.hasOwn(data, index)) return false
    this.#record(node, true, 'delete', index)
    const before = data[index]
    Reflect.deleteProperty(data, index)
    this.detach(before)
    if (this.#owner.undo.active) {
      this.#owner.undo.record(() => {
        data[index] = before
        this.attach(before)
      })
    }
    this.#wrote(node)
    return true
  }

  setLength(node: TreeNode, length: number): void {
    const data = this.#array(node)
    const before = data.length
    if (length === before) return
    this.#record(node, true, 'length', length)
    const removed = presentItems(data, length, before)
    data.length = length
    for (const [, value] of removed) this.detach(value)
    if (this.#owner.undo.active) {
      this.#owner.undo.record(() => {
        data.length = before
        for (const [index, value] of removed) {
          data[index] = value
          this.attach(value)
        }
      })
    }
    this.#wrote(node)
  }

  splice(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): void {
    this.#splice(node, start, deleteCount, items)
  }

  /** What has left is nobody else's any more, unless a transaction may bring it back. */
  take(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): unknown[] {
    this.#array(node)
    if (deleteCount === 0 && items.length === 0) return []
    const isGiven = items.length === 0 || deleteCount > MOST_COPIED
    if (isGiven && !this.#owner.undo.active) return arrayOf(this.#splice(node, start, deleteCount, items))
    const removed = this.copyItems(node, start, start + deleteCount)
    this.#splice(node, start, deleteCount, items)
    return removed
  }

  #splice(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): Items {
    this.#array(node)
    const path = ([index, ...steps]: readonly (string | number)[]): string =>
      describeBelow(node, [start + ((index as number | undefined) ?? 0), ...steps])
    const { value, isJson } = copyIn(path, items)
    const added = value as unknown[]
    const data = this.#array(node)
    if (start + deleteCount > data.length) throw changedMeanwhile(node)
    this.#record(node, isJson, 'splice', start, deleteCount, added)
    const removed = spliceItems(data, start, deleteCount, added)
    removed.forEach((value) => this.detach(value))
    if (this.#owner.undo.active) {
      this.#owner.undo.record(() => {
        spliceItems(data, start, added.length, removed)
        added.forEach((value) => this.detach(value))
        removed.forEach((value) => this.attach(value))
      })
    }
    this.#wrote(node)
    return removed
  }

  permute(node: TreeNode, order: Uint32Array): void {
    const data = this.#array(node)
    this.#record(node, true, 'permute', Array.from(order))
    const before = permuteItems(data, order)
    if (this.#owner.undo.active) this.#owner.undo.record(() => replaceItems(data, before))
    this.#wrote(node)
  }

  copy(node: TreeNode): unknown {
    return this.members.copy(this.#check(node as JsNode).data)
  }

  copyItems(node: TreeNode, start: number, end: number): unknown[] {
    const copies: unknown[] = []
    for (const [index, value] of presentItems(this.#array(node), start, end)) {
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
    return nextItem(this.#array(node), from)
  }

  /** Lets go of the data. REQUIRES: the owner is closed. */
  forget(): void {
    for (const name of Object.keys(this.data)) Reflect.deleteProperty(this.data, name)
  }

  // For maps.

  /** The view of a container in a map; a copy of any other value. */
  liveOf(holder: Holder, key: Key, value: unknown): unknown {
    if (!isContainer(value)) return copyOut(value)
    // As in the native engine, where the entry moves: what queries gave out before is out of date.
    if (!this.#nodes.has(value)) this.#owner.changes++
    return this.#live(value, undefined, holder, key).view
  }

  /** What a query's callback is given: a view that can be read until the next change, or a copy. */
  readOnlyOf(holder: Place, key: Key, value: unknown): unknown {
    return isContainer(value) ? this.#make(value, undefined, holder, key, this.changes).view : copyOut(value)
  }

  /** Sets a member of a container of the store's own, whose value is the store's own. */
  setField(data: Plain, name: string, value: unknown): void {
    const before = this.members.get(data, name)
    this.members.set(data, name, value)
    this.#replaced(before, value)
  }

  /** Says that a value has left the place where it was. */
  detach(value: unknown): void {
    const node = this.#nodeOf(value)
    if (node === undefined) return
    node.isDetached = true
    this.#departures++
  }

  /** Says that something has left, or come back, that is not told of one by one. */
  left(): void {
    this.#departures++
  }

  /** Says that it has come back there. */
  attach(value: unknown): void {
    const node = this.#nodeOf(value)
    if (node !== undefined) node.isDetached = false
  }

  /** Says that one value has taken another's place, until that is taken back. */
  #replaced(before: unknown, after: unknown): void {
    this.detach(before)
    if (!this.#owner.undo.active || !(isContainer(before) || isContainer(after))) return
    this.#owner.undo.record(() => {
      this.detach(after)
      this.attach(before)
    })
  }

  #nodeOf(value: unknown): JsNode | undefined {
    return typeof value === 'object' && value !== null ? this.#nodes.get(value) : undefined
  }

  #object(node: TreeNode): Plain {
    return this.#check(node as JsNode).data as Plain
  }

  #array(node: TreeNode): unknown[] {
    return this.#check(node as JsNode).data as unknown[]
  }

  #check(node: JsNode): JsNode {
    this.#owner.assertOpen()
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

  #record(node: TreeNode, isJson: boolean, kind: string, ...rest: unknown[]): void {
    this.#owner.prepareChange()
    if (!this.#owner.isLogged) return
    const path = pathOf(node as JsNode)
    this.#owner.record([kind, path, ...rest], isJson && (path[0] === null || isJsonKey(path[1] as Key)))
  }

  #wrote(node: TreeNode): void {
    const { top } = node as JsNode
    if (top.parent !== undefined) (top.parent as Holder).changed(top.step)
    this.#owner.wrote()
  }
}
