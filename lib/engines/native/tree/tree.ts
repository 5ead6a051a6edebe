import { describePlace } from '../../../views/place.js'
import { MOST_COPIED } from '../../../views/taken-items.js'
import { indexOfName } from '../../../views/array-view.js'
import { changedMeanwhile } from '../../../views/refusals.js'
import type { TreeNode } from '../../../contract/tree-engine.js'
import { isKeyTooLong, keyTooLong } from '../../../base/value-errors.js'
import type { NativeStore } from '../binding.js'
import { MOST_QUICK_UNITS } from '../codec/encoder.js'
import type { EngineState } from '../engine-state.js'
import { HeldItems, type HeldList } from './held-items.js'
import { NodeSite, SpliceSite, type NativeArray, type NativeNode, type NativeObject } from './node.js'
import {
  DELETE_ITEM,
  DELETE_MEMBER,
  PERMUTE,
  SET_ITEM,
  SET_LENGTH,
  SET_MEMBER,
  SPLICE,
  type Operation,
} from '../codec/operation.js'
import { HEAD_BYTES } from '../codec/operation-buffer.js'
import type { Shapes } from '../codec/shapes.js'
import { TreeReader } from './tree-reader.js'

/** How many counters of writes there are, less one: a power of two, less one. */
const WRITE_MASK = 1023
/** Operations that change items have an index or a count in front of the value. */
const OPERAND_BYTES = 8

/** The tree of the C++ core, with its changes: every one is one operation and one call. */
export class NativeTree extends TreeReader {
  readonly held: HeldItems
  /**
   * Counts of changes by the number of the node, so that whoever looks at a node hears of them through
   * whichever view they were made. Nodes whose numbers are alike in the last bits share one: then something
   * is read again for nothing.
   */
  readonly #writes = new Float64Array(WRITE_MASK + 1)
  readonly #operation: Operation

  constructor(engine: EngineState, store: NativeStore, shapes: Shapes) {
    super(engine, store, shapes)
    this.#operation = engine.operation
    this.held = new HeldItems(store, this.packer)
  }

  writes(node: NativeNode): number {
    return this.#writes[node.id & WRITE_MASK] as number
  }

  set(node: TreeNode, name: string, value: unknown): void {
    const native = node as NativeObject
    this.places.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.set(node, name, value))
    if (isKeyTooLong(name)) throw keyTooLong(describePlace(node), name)
    const end = this.#encode(native, name, value, HEAD_BYTES)
    this.#apply(SET_MEMBER, native, end, name)
  }

  delete(node: TreeNode, name: string): boolean {
    const native = node as NativeObject
    this.places.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.delete(node, name))
    if (isKeyTooLong(name)) return false
    return this.#apply(DELETE_MEMBER, native, HEAD_BYTES, name)
  }

  setItem(node: TreeNode, index: number, value: unknown): void {
    const native = node as NativeArray
    this.places.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.setItem(node, index, value))
    const end = this.#encode(native, index, value, HEAD_BYTES + OPERAND_BYTES)
    this.#operand(index, 0)
    this.#apply(SET_ITEM, native, end)
  }

  deleteItem(node: TreeNode, index: number): boolean {
    const native = node as NativeArray
    this.places.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.deleteItem(node, index))
    this.#operand(index, 0)
    return this.#apply(DELETE_ITEM, native, HEAD_BYTES + OPERAND_BYTES)
  }

  setLength(node: TreeNode, length: number): void {
    const native = node as NativeArray
    if (length === this.length(native)) return
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.setLength(node, length))
    this.#operand(length, 0)
    this.#apply(SET_LENGTH, native, HEAD_BYTES + OPERAND_BYTES)
  }

  splice(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): void {
    this.#splice(node, start, deleteCount, items)
  }

  take(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): unknown[] {
    this.engine.check()
    // Within a transaction they may come back, and would change again.
    if (deleteCount <= MOST_COPIED || this.engine.scopes > 0 || !this.held.hasRoom) {
      const removed = this.copyItems(node, start, start + deleteCount)
      this.#splice(node, start, deleteCount, items)
      return removed
    }
    const { list, view } = this.held.begin(deleteCount)
    try {
      this.#splice(node, start, deleteCount, items, list)
      return view
    } catch (error) {
      if (list.number === 0) this.held.end(list)
      throw error
    }
  }

  #splice(
    node: TreeNode,
    start: number,
    deleteCount: number,
    items: readonly unknown[],
    held?: HeldList,
  ): void {
    const native = node as NativeArray
    this.places.locate(native)
    if (deleteCount === 0 && items.length === 0) return
    const operation = this.#operation
    if (operation.encoder.busy) {
      return operation.nested(() => this.#splice(node, start, deleteCount, items, held))
    }
    const end = operation.encoder.encode(items, HEAD_BYTES + OPERAND_BYTES, new SpliceSite(node), start)
    this.engine.check() // a getter may have closed the store
    if (start + deleteCount > this.length(native)) {
      operation.settle()
      throw changedMeanwhile(node)
    }
    this.#operand(start, deleteCount)
    this.#apply(SPLICE, native, end, undefined, held)
  }

  permute(node: TreeNode, order: Uint32Array): void {
    const native = node as NativeArray
    this.places.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.permute(node, order))
    const start = HEAD_BYTES + OPERAND_BYTES
    const end = start + ((4 * order.length + 7) & ~7)
    operation.reserveAny(end)
    operation.words[(end >> 2) - 1] = 0 // the padding of an odd count
    operation.words.set(order, start >> 2)
    this.#operand(order.length, 0)
    this.#apply(PERMUTE, native, end)
  }

  /** Writes the value at byte `at` of the operation; where it ends. */
  #encode(node: NativeNode & TreeNode, step: string | number, value: unknown, at: number): number {
    const operation = this.#operation
    if (
      typeof value === 'number' ||
      typeof value === 'boolean' ||
      (typeof value === 'string' && value.length <= MOST_QUICK_UNITS)
    ) {
      return operation.encoder.quick(value, at)
    }
    const end = operation.encoder.encode(value, at, (node.site ??= new NodeSite(node)), step)
    this.engine.check() // a getter may have closed the store
    return end
  }

  #operand(low: number, high: number): void {
    const words = this.#operation.words
    words[HEAD_BYTES >> 2] = low
    words[(HEAD_BYTES >> 2) + 1] = high
  }

  /**
   * Applies the operation whose value ends at `end`; whether it changed something. `held`: for what a SPLICE
   * removes.
   */
  #apply(code: number, node: NativeNode & TreeNode, end: number, name?: string, held?: HeldList): boolean {
    const operation = this.#operation
    operation.nodeHead(code, node.id, end - HEAD_BYTES)
    const stripe = node.id & WRITE_MASK
    this.#writes[stripe]!++
    this.engine.changes++
    // Before the change, since behind it there may be no room for a call.
    const event =
      name !== undefined && this.#isToBeLogged(code, node, name) ? this.log.add(node.id, name) : undefined
    let result: number
    if (held !== undefined) {
      result = this.store.holdItems(end)
      if (result >= 0) held.number = this.result[0] as number
    } else {
      result = name === undefined ? this.store.apply(end) : this.store.applyKeyed(end, name)
    }
    const isChanged = result > 0 || (result === 0 && code !== DELETE_MEMBER && code !== DELETE_ITEM)
    if (!isChanged) {
      this.#writes[stripe]!--
      this.engine.changes--
      if (event !== undefined) event.by = 0
    }
    if (operation.isLarge) operation.settle()
    if (result < 0) this.fail(result, node, name)
    if (isChanged) this.engine.onWrite()
    return isChanged
  }

  /** A deletion; and a new index among the names of a TABLE, which lies between those that are there. */
  #isToBeLogged(code: number, node: NativeNode & TreeNode, name: string): boolean {
    if (code === DELETE_MEMBER) return true
    if (indexOfName(name) < 0) return false
    this.places.locate(node)
    return this.isTable(node as NativeObject) && !this.has(node, name)
  }
}
