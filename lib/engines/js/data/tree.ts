import { ForkstoreError } from '../../../base/errors.js'
import { describeBelow, describePlace } from '../../../views/place.js'
import { changedMeanwhile } from '../../../views/refusals.js'
import { MOST_COPIED } from '../../../views/taken-items.js'
import { ABSENT, type TreeNode } from '../../../contract/tree-engine.js'
import type { Key } from '../../../base/types.js'
import { isJsonKey } from './keys.js'
import { isKeyTooLong } from '../../../base/value-errors.js'
import { arrayOf, permuteItems, presentItems, replaceItems, spliceItems, type Items } from './containers.js'
import { copyIn, isContainer, type Plain } from './copy.js'
import { pathOf, type JsNode } from './tree-node.js'
import { TreeReader, type Holder } from './tree-reader.js'

/**
 * The live tree over plain objects and arrays, with its changes: each is logged, made, and can be taken back.
 */
export class JsTree extends TreeReader {
  set(node: TreeNode, name: string, value: unknown): void {
    this.fieldsOf(node)
    if (isKeyTooLong(name)) {
      throw new ForkstoreError(
        'ERR_FORKSTORE_TOO_LARGE',
        `${describePlace(node, name)}: the name is too long`,
      )
    }
    const copied = copyIn((steps) => describeBelow(node, [name, ...steps]), value)
    const data = this.fieldsOf(node) // a getter of the value's may have changed anything
    this.#record(node, copied.isJson, 'set', name, copied.value)
    this.setField(data, name, copied.value)
    this.#wrote(node)
  }

  delete(node: TreeNode, name: string): boolean {
    const data = this.fieldsOf(node)
    const value = this.members.get(data, name)
    if (value === ABSENT) return false
    this.#record(node, true, 'delete', name)
    this.members.delete(data, name)
    this.#replaced(value, undefined)
    this.#wrote(node)
    return true
  }

  setItem(node: TreeNode, index: number, value: unknown): void {
    this.itemsOf(node)
    const { value: copied, isJson } = copyIn((steps) => describeBelow(node, [index, ...steps]), value)
    const data = this.itemsOf(node)
    this.#record(node, isJson, 'set', index, copied)
    const { undo } = this.owner
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
    const data = this.itemsOf(node)
    if (!Object.hasOwn(data, index)) return false
    this.#record(node, true, 'delete', index)
    const before = data[index]
    Reflect.deleteProperty(data, index)
    this.detach(before)
    if (this.owner.undo.active) {
      this.owner.undo.record(() => {
        data[index] = before
        this.attach(before)
      })
    }
    this.#wrote(node)
    return true
  }

  setLength(node: TreeNode, length: number): void {
    const data = this.itemsOf(node)
    const before = data.length
    if (length === before) return
    this.#record(node, true, 'length', length)
    const removed = presentItems(data, length, before)
    data.length = length
    for (const [, value] of removed) this.detach(value)
    if (this.owner.undo.active) {
      this.owner.undo.record(() => {
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
    this.itemsOf(node)
    if (deleteCount === 0 && items.length === 0) return []
    const isGiven = items.length === 0 || deleteCount > MOST_COPIED
    if (isGiven && !this.owner.undo.active) return arrayOf(this.#splice(node, start, deleteCount, items))
    const removed = this.copyItems(node, start, start + deleteCount)
    this.#splice(node, start, deleteCount, items)
    return removed
  }

  #splice(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): Items {
    this.itemsOf(node)
    const path = ([index, ...steps]: readonly (string | number)[]): string =>
      describeBelow(node, [start + ((index as number | undefined) ?? 0), ...steps])
    const { value, isJson } = copyIn(path, items)
    const added = value as unknown[]
    const data = this.itemsOf(node)
    if (start + deleteCount > data.length) throw changedMeanwhile(node)
    this.#record(node, isJson, 'splice', start, deleteCount, added)
    const removed = spliceItems(data, start, deleteCount, added)
    removed.forEach((value) => this.detach(value))
    if (this.owner.undo.active) {
      this.owner.undo.record(() => {
        spliceItems(data, start, added.length, removed)
        added.forEach((value) => this.detach(value))
        removed.forEach((value) => this.attach(value))
      })
    }
    this.#wrote(node)
    return removed
  }

  permute(node: TreeNode, order: Uint32Array): void {
    const data = this.itemsOf(node)
    this.#record(node, true, 'permute', Array.from(order))
    const before = permuteItems(data, order)
    if (this.owner.undo.active) this.owner.undo.record(() => replaceItems(data, before))
    this.#wrote(node)
  }

  /** Lets go of the data. REQUIRES: the owner is closed. */
  forget(): void {
    for (const name of Object.keys(this.data)) Reflect.deleteProperty(this.data, name)
  }

  /** Sets a member of a container of the store's own, whose value is the store's own. */
  setField(data: Plain, name: string, value: unknown): void {
    const before = this.members.get(data, name)
    this.members.set(data, name, value)
    this.#replaced(before, value)
  }

  /** Marks and unmarks nodes where one value has replaced another; the reverse, should that be taken back. */
  #replaced(before: unknown, after: unknown): void {
    this.detach(before)
    if (!this.owner.undo.active || !(isContainer(before) || isContainer(after))) return
    this.owner.undo.record(() => {
      this.detach(after)
      this.attach(before)
    })
  }

  #record(node: TreeNode, isJson: boolean, kind: string, ...rest: unknown[]): void {
    this.owner.prepareChange()
    if (!this.owner.isLogged) return
    const path = pathOf(node as JsNode)
    this.owner.record([kind, path, ...rest], isJson && (path[0] === null || isJsonKey(path[1] as Key)))
  }

  #wrote(node: TreeNode): void {
    const { top } = node as JsNode
    if (top.parent !== undefined) (top.parent as Holder).changed(top.step)
    this.owner.wrote()
  }
}
