import { describePlace, detached } from '../../../views/place.js'
import { MOST_COPIED } from '../../../views/taken-items.js'
import { indexOfName } from '../../../views/array-view.js'
import { MemberLog, Newcomers } from '../../../views/member-log.js'
import { NameScan } from '../../../views/name-scan.js'
import { changedMeanwhile } from '../../../views/refusals.js'
import {
  ABSENT,
  type Place,
  type Scan,
  type TreeEngine,
  type TreeNode,
} from '../../../contract/tree-engine.js'
import { makeView } from '../../../views/view.js'
import type { Key } from '../../../base/types.js'
import { isKeyTooLong, keyTooLong } from '../../../base/value-errors.js'
import type { NativeStore } from '../binding.js'
import { slotNode, type Decoder } from '../codec/decoder.js'
import { MOST_QUICK_UNITS } from '../codec/encoder.js'
import type { EngineState } from '../engine-state.js'
import * as format from '../codec/format.js'
import { HeldItems, type HeldList } from './held-items.js'
import { NativeObject, NodeSite, SpliceSite, type NativeArray, type NativeNode } from './node.js'
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
import { Packer } from './packer.js'
import { DICTIONARY, kindOf, LIST, Places, SHAPED, TABLE } from './places.js'
import type { Shape, Shapes } from '../codec/shapes.js'
import { ItemScan, TableScan } from './tree-scan.js'
import type { Window } from '../codec/window.js'

const ROOT = 1
/** Of the counters of writes, a power of two, less one. */
const WRITE_MASK = 1023
/** Of the operations that change items: the index or count in front of the value. */
const OPERAND_BYTES = 8

/**
 * The tree of the C++ core. Members of objects with a shape, and items of small arrays, are found and decoded here
 * without a call; those of large ones are found by one call. Every change is one operation and one call.
 */
export class NativeTree implements TreeEngine {
  readonly root: TreeNode
  readonly store: NativeStore
  readonly decoder: Decoder
  readonly places: Places
  /** Counts changes that may be of any node, and were not made here: by maps, and rollbacks. */
  foreign = 0
  /** Which members of objects came and went; not those for which a TABLE's numbers tell it. */
  readonly log = new MemberLog<number>()
  readonly held: HeldItems
  /**
   * Counts of changes by the number of the node, so that whoever looks at a node hears of them through
   * whichever view they were made. Nodes whose numbers are alike in the last bits share one: then something
   * is read again for nothing.
   */
  readonly #writes = new Float64Array(WRITE_MASK + 1)
  readonly #engine: EngineState
  readonly #operation: Operation
  readonly #shapes: Shapes
  readonly #packer: Packer
  readonly #result: Float64Array

  constructor(engine: EngineState, store: NativeStore, shapes: Shapes) {
    this.store = store
    this.decoder = engine.decoder
    this.places = new Places(engine, store)
    this.#engine = engine
    this.#operation = engine.operation
    this.#shapes = shapes
    this.#packer = new Packer(store, this.decoder)
    this.held = new HeldItems(store, this.#packer)
    this.#result = store.result
    const root = new NativeObject(this, undefined, 'root', ROOT)
    makeView(root)
    this.root = root
    this.decoder.copyNode = (id) => this.#packer.copy(id, (result) => this.#fail(result, root))
  }

  get changes(): number {
    return this.#engine.changes
  }

  /** Another number after each write to the node: places of members that were found before may be wrong. */
  writes(node: NativeNode): number {
    return this.#writes[node.id & WRITE_MASK] as number
  }

  get(node: TreeNode, name: string): unknown {
    const native = node as NativeObject
    const { places } = this
    places.locate(native)
    const window = places.window(native)
    const at = places.start(native)
    const head = window.words[(at >> 2) + 1] as number
    if (kindOf(head) === SHAPED) {
      const index = this.#shapes.get(head >>> 20).indexes.get(name)
      return index === undefined ? ABSENT : this.#slot(window, at + 8 + 8 * index, native, name)
    }
    return this.#found(this.#findMember(native, name), native, name)
  }

  has(node: TreeNode, name: string): boolean {
    const native = node as NativeObject
    const shape = this.#shapeOf(native)
    return shape !== undefined ? shape.indexes.has(name) : this.#findMember(native, name) !== 0
  }

  names(node: TreeNode): string[] {
    const native = node as NativeObject
    const shape = this.#shapeOf(native)
    if (shape !== undefined) return shape.names.slice()
    if (this.#kind(native) === DICTIONARY) return this.#dictionaryNames(native)
    const names: string[] = []
    const scan = new TableScan(this, native)
    while (scan.next()) names.push(scan.name())
    return names
  }

  size(node: TreeNode): number {
    const native = node as NativeObject
    const shape = this.#shapeOf(native)
    if (shape !== undefined) return shape.names.length
    const { words } = this.places.window(native)
    const word = this.places.start(native) >> 2
    const low = (words[word + 2] as number) >>> 0
    return kindOf(words[word + 1] as number) === TABLE ? low + (words[word + 3] as number) * 2 ** 32 : low
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

  length(node: TreeNode): number {
    const native = node as NativeArray
    this.places.locate(native)
    const { words } = this.places.window(native)
    return (words[(this.places.start(native) >> 2) + 2] as number) >>> 0
  }

  item(node: TreeNode, index: number): unknown {
    const native = node as NativeArray
    const { places } = this
    places.locate(native)
    const window = places.window(native)
    const { words } = window
    const at = places.start(native)
    if (kindOf(words[(at >> 2) + 1] as number) === LIST) {
      if (index >= (words[(at >> 2) + 2] as number)) return ABSENT
      const slot = at + 16 + 8 * index
      return isHole(words, slot) ? ABSENT : this.#slot(window, slot, native, index)
    }
    return this.#found(this.store.findItem(places.block(native), index), native, index)
  }

  hasItem(node: TreeNode, index: number): boolean {
    const native = node as NativeArray
    this.places.locate(native)
    return this.store.findItem(this.places.block(native), index) !== 0
  }

  indexes(node: TreeNode): string[] {
    const names: string[] = []
    const scan = new ItemScan(this, node as NativeArray, 0)
    while (scan.next()) names.push(String(scan.name()))
    return names
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
    this.#engine.check()
    // Within a transaction they may come back, and would change again.
    if (deleteCount <= MOST_COPIED || this.#engine.scopes > 0 || !this.held.hasRoom) {
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
    this.#engine.check() // a getter may have closed the store
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

  copy(node: TreeNode): unknown {
    this.#engine.check()
    return this.#packer.copy((node as NativeObject).id, (result) => this.#fail(result, node))
  }

  copyItems(node: TreeNode, start: number, end: number): unknown[] {
    const native = node as NativeArray
    this.places.locate(native)
    const indexes = (from: number, count: number): Float64Array => {
      const places = new Float64Array(2 * count)
      this.store.scanItems(this.places.block(native), from, places)
      return places
    }
    return this.#packer.copyItems(native.id, start, end, indexes, (result) => this.#fail(result, node))
  }

  scan(node: TreeNode, from = 0): Scan {
    const native = node as NativeObject | NativeArray
    this.places.locate(native)
    if (native.isArray) return new ItemScan(this, native as NativeArray, from)
    const object = native as NativeObject
    if (this.isTable(object)) return new TableScan(this, object)
    return new NameScan(this, object, this.names(object), new Newcomers(this.log, object.id))
  }

  /** The value that the slot at this arena offset shows; a view when it is of a node, whose block may be given. */
  valueAt(offset: number, parent: Place, step: Key, block = 0): unknown {
    const window = this.decoder.window(offset)
    const at = offset - window.base
    const id = slotNode(window, at)
    return id !== 0 ? this.places.child(id, this, parent, step, block) : this.decoder.slot(window, at)
  }

  /** The node with this number, which is in the tree, as one packed value in a window of its own. */
  packedWindow(id: number): Window {
    return this.#packer.window(id, (result) => this.#fail(result, this.root))
  }

  /** Whether the node with this number, which is in the tree, is an array. */
  isArray(id: number): boolean {
    const block = this.store.locate(id)
    const window = this.decoder.window(block)
    return kindOf(window.words[((block - window.base) >> 2) + 1] as number) >= LIST
  }

  /** Whether an object that has been located is a TABLE. */
  isTable(node: NativeObject): boolean {
    return this.#kind(node) === TABLE
  }

  /** Of a located TABLE. Names that are no indexes get it and those that follow. */
  nextSequence(node: NativeObject): number {
    const { words } = this.places.window(node)
    const word = this.places.start(node) >> 2
    return ((words[word + 4] as number) >>> 0) + (words[word + 5] as number) * 2 ** 32
  }

  #kind(node: NativeNode): number {
    return kindOf(this.places.window(node).words[(this.places.start(node) >> 2) + 1] as number)
  }

  /** Locates the node; its shape, when it has one. */
  #shapeOf(node: NativeObject): Shape | undefined {
    this.places.locate(node)
    const window = this.places.window(node)
    const head = window.words[(this.places.start(node) >> 2) + 1] as number
    return kindOf(head) === SHAPED ? this.#shapes.get(head >>> 20) : undefined
  }

  #dictionaryNames(node: NativeObject): string[] {
    const window = this.places.window(node)
    const at = this.places.start(node)
    const count = window.words[(at >> 2) + 2] as number
    const names: string[] = []
    for (let slot = at + 16; slot < at + 16 + 16 * count; slot += 16) {
      names.push(this.decoder.slot(window, slot) as string)
    }
    return names
  }

  #slot(window: Window, at: number, parent: Place, step: Key): unknown {
    const id = slotNode(window, at)
    return id !== 0 ? this.places.child(id, this, parent, step, 0) : this.decoder.slot(window, at)
  }

  #found(offset: number, parent: Place, step: Key): unknown {
    return offset === 0 ? ABSENT : this.valueAt(offset, parent, step, this.#result[2])
  }

  #findMember(node: NativeObject, name: string): number {
    const offset = this.store.findMember(this.places.block(node), name)
    if (offset >= 0) return offset
    return isKeyTooLong(name) ? 0 : this.#fail(offset, node, name)
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
    this.#engine.check() // a getter may have closed the store
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
    this.#engine.changes++
    // Before the change, since behind it there may be no room for a call.
    const event =
      name !== undefined && this.#isToBeLogged(code, node, name) ? this.log.add(node.id, name) : undefined
    let result: number
    if (held !== undefined) {
      result = this.store.holdItems(end)
      if (result >= 0) held.number = this.#result[0] as number
    } else {
      result = name === undefined ? this.store.apply(end) : this.store.applyKeyed(end, name)
    }
    const isChanged = result > 0 || (result === 0 && code !== DELETE_MEMBER && code !== DELETE_ITEM)
    if (!isChanged) {
      this.#writes[stripe]!--
      this.#engine.changes--
      if (event !== undefined) event.by = 0
    }
    if (operation.isLarge) operation.settle()
    if (result < 0) this.#fail(result, node, name)
    if (isChanged) this.#engine.onWrite()
    return isChanged
  }

  /** A deletion; and a new index among the names of a TABLE, which lies between those that are there. */
  #isToBeLogged(code: number, node: NativeNode & TreeNode, name: string): boolean {
    if (code === DELETE_MEMBER) return true
    if (indexOfName(name) < 0) return false
    this.places.locate(node)
    return this.#kind(node) === TABLE && !this.has(node, name)
  }

  #fail(result: number, place: Place, name?: string): never {
    const path = name === undefined ? describePlace(place) : describePlace(place, name)
    const error = this.#operation.failure(result, path)
    throw error.code === 'ERR_FORKSTORE_DETACHED' ? detached(place) : error
  }
}

function isHole(words: Int32Array, at: number): boolean {
  return words[at >> 2] === format.HOLE && words[(at >> 2) + 1] === format.SPECIAL
}
