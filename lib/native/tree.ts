import { describePlace, detached } from '../tree/place.js'
import { ABSENT, type Place, type Scan, type TreeEngine, type TreeNode } from '../tree/tree-engine.js'
import { makeView } from '../tree/view.js'
import { ViewCache } from '../tree/view-cache.js'
import type { Key } from '../types.js'
import { isKeyTooLong, keyTooLong } from '../value-errors.js'
import type { NativeStore } from './binding.js'
import { slotNode, type Decoder } from './decoder.js'
import type { NativeEngine } from './engine.js'
import * as format from './format.js'
import { NativeArray, NativeObject, NodeSite, SpliceSite, type NativeNode } from './node.js'
import {
  DELETE_ITEM,
  DELETE_MEMBER,
  HEAD_BYTES,
  PERMUTE,
  SET_ITEM,
  SET_LENGTH,
  SET_MEMBER,
  SPLICE,
  type Operation,
} from './operation.js'
import type { Shape, Shapes } from './shapes.js'
import { ItemScan, NameScan, TableScan } from './tree-scan.js'
import { Window } from './window.js'

const ROOT = 1
/** Of the operations that change items: the index or count in front of the value. */
const OPERAND_BYTES = 8
const DETACHED = 12
/** A pack buffer larger than this is not kept. */
const MOST_KEPT_BYTES = 2 ** 20
const BATCH = 1024

// The kind of a node, as it stands in the second word of its block.
const KIND_MASK = 0xf0000
const SHAPED = 0
const DICTIONARY = 0x10000
const TABLE = 0x20000
const LIST = 0x30000

/**
 * The tree of the C++ core. Members of objects with a shape, and items of small arrays, are found and decoded here
 * without a call; those of large ones are found by one call. Every change is one operation and one call.
 */
export class NativeTree implements TreeEngine {
  readonly root: TreeNode
  /** Counts changes that may be of any node, and were not made here: by maps, and rollbacks. */
  foreign = 0
  readonly store: NativeStore
  readonly decoder: Decoder
  readonly #engine: NativeEngine
  readonly #operation: Operation
  readonly #shapes: Shapes
  readonly #result: Float64Array
  readonly #nodes = new ViewCache<NativeObject | NativeArray>()
  #packed: Window | undefined
  #packedVersion = -1

  constructor(engine: NativeEngine, store: NativeStore, shapes: Shapes) {
    this.store = store
    this.decoder = engine.decoder
    this.#engine = engine
    this.#operation = engine.operation
    this.#shapes = shapes
    this.#result = store.result
    const root = new NativeObject(this, undefined, 'root', ROOT)
    this.root = root
    makeView(root)
    this.decoder.copyNode = (id) => this.copyOf(id, undefined)
  }

  get changes(): number {
    return this.#engine.changes
  }

  get(node: TreeNode, name: string): unknown {
    const native = node as NativeObject
    const window = this.window(native)
    const at = native.at
    const head = window.words[(at >> 2) + 1] as number
    if ((head & KIND_MASK) === SHAPED) {
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
    const names: string[] = []
    if (this.kind(native) === DICTIONARY) {
      const window = this.window(native)
      const count = window.words[(native.at >> 2) + 2] as number
      for (let index = 0; index < count; index++) {
        names.push(this.decoder.slot(window, native.at + 16 + 16 * index) as string)
      }
      return names
    }
    const batch = new Float64Array(BATCH)
    for (let from = 0, count = BATCH; count === BATCH; ) {
      count = this.store.scanTable(native.block, from, batch)
      for (let index = 0; index < count; index++) {
        names.push(this.decoder.recordKey(batch[index] as number) as string)
      }
      if (count > 0) from = this.decoder.recordSequence(batch[count - 1] as number) + 1
    }
    return names
  }

  size(node: TreeNode): number {
    const native = node as NativeObject
    const shape = this.#shapeOf(native)
    if (shape !== undefined) return shape.names.length
    const { words } = this.window(native)
    const word = (native.at >> 2) + 2
    const low = (words[word] as number) >>> 0
    return this.kind(native) === TABLE ? low + (words[word + 1] as number) * 2 ** 32 : low
  }

  set(node: TreeNode, name: string, value: unknown): void {
    const native = node as NativeObject
    this.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.set(node, name, value))
    if (isKeyTooLong(name)) throw keyTooLong(describePlace(node), name)
    const end = this.#encode(native, name, value, HEAD_BYTES)
    this.#apply(SET_MEMBER, native, end, name)
  }

  delete(node: TreeNode, name: string): boolean {
    const native = node as NativeObject
    this.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.delete(node, name))
    if (isKeyTooLong(name)) return false
    return this.#apply(DELETE_MEMBER, native, HEAD_BYTES, name)
  }

  length(node: TreeNode): number {
    const native = node as NativeArray
    const { words } = this.window(native)
    return (words[(native.at >> 2) + 2] as number) >>> 0
  }

  item(node: TreeNode, index: number): unknown {
    const native = node as NativeArray
    const window = this.window(native)
    const at = native.at
    const words = window.words
    if (((words[(at >> 2) + 1] as number) & KIND_MASK) === LIST) {
      if (index >= (words[(at >> 2) + 2] as number)) return ABSENT
      const slot = at + 16 + 8 * index
      return isHole(words, slot) ? ABSENT : this.#slot(window, slot, native, index)
    }
    return this.#found(this.store.findItem(native.block, index), native, index)
  }

  hasItem(node: TreeNode, index: number): boolean {
    const native = node as NativeArray
    this.locate(native)
    return this.store.findItem(native.block, index) !== 0
  }

  indexes(node: TreeNode): string[] {
    const native = node as NativeArray
    this.locate(native)
    const names: string[] = []
    const batch = new Float64Array(BATCH)
    for (let from = 0, count = BATCH; count === BATCH; from += count) {
      count = this.store.scanItems(native.block, from, batch)
      for (let index = 0; index < count; index++) {
        if (batch[index] !== 0) names.push(String(from + index))
      }
    }
    return names
  }

  setItem(node: TreeNode, index: number, value: unknown): void {
    const native = node as NativeArray
    this.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.setItem(node, index, value))
    const end = this.#encode(native, index, value, HEAD_BYTES + OPERAND_BYTES)
    this.#operand(index, 0)
    this.#apply(SET_ITEM, native, end)
  }

  deleteItem(node: TreeNode, index: number): boolean {
    const native = node as NativeArray
    this.locate(native)
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
    const native = node as NativeArray
    this.locate(native)
    if (deleteCount === 0 && items.length === 0) return
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.splice(node, start, deleteCount, items))
    const end = operation.encoder.encode(items, HEAD_BYTES + OPERAND_BYTES, new SpliceSite(node), start)
    this.check()
    this.#operand(start, deleteCount)
    this.#apply(SPLICE, native, end)
  }

  permute(node: TreeNode, order: Uint32Array): void {
    const native = node as NativeArray
    this.locate(native)
    const operation = this.#operation
    if (operation.encoder.busy) return operation.nested(() => this.permute(node, order))
    const count = order.length
    const end = HEAD_BYTES + OPERAND_BYTES + ((4 * count + 7) & ~7)
    operation.reserveAny(end)
    operation.words[(end >> 2) - 1] = 0 // the padding of an odd count
    operation.words.set(order, (HEAD_BYTES + OPERAND_BYTES) >> 2)
    this.#operand(count, 0)
    this.#apply(PERMUTE, native, end)
  }

  copy(node: TreeNode): unknown {
    this.check()
    return this.copyOf((node as NativeObject).id, node)
  }

  scan(node: TreeNode, from = 0): Scan {
    const native = node as NativeObject | NativeArray
    if (native.isArray) return new ItemScan(this, native as NativeArray, from)
    this.locate(native)
    return this.kind(native) === TABLE
      ? new TableScan(this, native as NativeObject)
      : new NameScan(this, native as NativeObject)
  }

  /** A plain copy of the node with this number. `place` is for messages. Errors: `ERR_FORKSTORE_DETACHED`. */
  copyOf(id: number, place: Place | undefined): unknown {
    const bytes = this.store.pack(id)
    if (bytes < 0) throw this.#failure(bytes, place ?? { parent: undefined, step: 'root' })
    if (this.#packed === undefined || this.#result[3] !== this.#packedVersion) {
      this.#packed = new Window(this.store.packBuffer, 0)
      this.#packedVersion = this.#result[3] as number
    }
    const value = this.decoder.valueIn(this.#packed, 0)
    if (bytes > MOST_KEPT_BYTES) this.#packed = undefined
    return value
  }

  /** The node with this number as one packed value, in a window of its own. */
  packedWindow(id: number, place: Place): Window {
    const bytes = this.store.pack(id)
    if (bytes < 0) throw this.#failure(bytes, place)
    return new Window(this.store.packBuffer.slice(0, bytes), 0)
  }

  /** Whether the node with this number is an array. REQUIRES: it is in the tree. */
  isArray(id: number): boolean {
    const block = this.store.locate(id)
    const window = this.decoder.window(block)
    return ((window.words[((block - window.base) >> 2) + 1] as number) & KIND_MASK) >= LIST
  }

  /** The view of a node: the one that is there, or a new one. `block`: where the node is, when that is known, or 0. */
  child(id: number, parent: Place, step: Key, block: number): object {
    const known = this.#nodes.get(id)
    if (known !== undefined) return known.view
    const place = block === 0 ? this.store.locate(id) : block
    const window = this.decoder.window(place)
    const at = place - window.base
    const isArray = ((window.words[(at >> 2) + 1] as number) & KIND_MASK) >= LIST
    const node = isArray ? new NativeArray(this, parent, step, id) : new NativeObject(this, parent, step, id)
    node.block = place
    node.version = this.#result[1] as number
    node.at = at
    if (this.decoder.hasWindows) node.window = window
    this.#nodes.add(node)
    return makeView(node)
  }

  /** The value that the slot at this arena offset shows; a view when it is of a node. 0: ABSENT. */
  valueAt(offset: number, parent: Place, step: Key, block = 0): unknown {
    const window = this.decoder.window(offset)
    const at = offset - window.base
    const id = slotNode(window, at)
    return id !== 0 ? this.child(id, parent, step, block) : this.decoder.slot(window, at)
  }

  /** Throws when the store is closed, or the node has left the tree; then `block` is right. */
  locate(node: NativeNode & TreeNode): void {
    this.check()
    if (node.version === this.#result[1]) return
    const block = this.store.locate(node.id)
    if (block === 0) throw detached(node)
    node.block = block
    node.version = this.#result[1] as number
    if (!this.decoder.hasWindows) return
    const window = this.decoder.window(block)
    // The first window of all tells whether there are any.
    node.window = this.decoder.hasWindows ? window : undefined
    node.at = block - window.base
  }

  /** A window over the block at byte `node.at`. Throws as `locate`. */
  window(node: NativeNode & TreeNode): Window {
    this.locate(node)
    if (node.window !== undefined) return node.window
    const window = this.decoder.window(node.block)
    node.at = node.block - window.base
    return window
  }

  /** The kind bits of a located node. */
  kind(node: NativeNode & TreeNode): number {
    return (this.window(node).words[(node.at >> 2) + 1] as number) & KIND_MASK
  }

  check(): void {
    this.#engine.check()
  }

  #shapeOf(node: NativeObject): Shape | undefined {
    const window = this.window(node)
    const head = window.words[(node.at >> 2) + 1] as number
    return (head & KIND_MASK) === SHAPED ? this.#shapes.get(head >>> 20) : undefined
  }

  #slot(window: Window, at: number, parent: Place, step: Key): unknown {
    const id = slotNode(window, at)
    return id !== 0 ? this.child(id, parent, step, 0) : this.decoder.slot(window, at)
  }

  #found(offset: number, parent: Place, step: Key): unknown {
    return offset === 0 ? ABSENT : this.valueAt(offset, parent, step, this.#result[2])
  }

  #findMember(node: NativeObject, name: string): number {
    const offset = this.store.findMember(node.block, name)
    if (offset >= 0) return offset
    if (isKeyTooLong(name)) return 0
    throw this.#failure(offset, node, name)
  }

  /** Writes the value at byte `at` of the operation; where it ends. */
  #encode(node: NativeNode & TreeNode, step: string | number, value: unknown, at: number): number {
    const operation = this.#operation
    operation.reserve(at + 8)
    if (typeof value === 'number') {
      if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
        operation.words[at >> 2] = value
        operation.words[(at >> 2) + 1] = format.INT
      } else operation.double(at, value)
      return at + 8
    }
    if (typeof value === 'boolean') {
      operation.words[at >> 2] = value ? format.TRUE : format.FALSE
      operation.words[(at >> 2) + 1] = format.SPECIAL
      return at + 8
    }
    const end = operation.encoder.encode(value, at, (node.site ??= new NodeSite(node)), step)
    this.check() // a getter may have closed the store
    return end
  }

  #operand(low: number, high: number): void {
    const words = this.#operation.words
    words[HEAD_BYTES >> 2] = low
    words[(HEAD_BYTES >> 2) + 1] = high
  }

  /** Applies the operation whose value ends at `end`; whether it changed something. */
  #apply(code: number, node: NativeNode & TreeNode, end: number, name?: string): boolean {
    const operation = this.#operation
    operation.nodeHead(code, node.id, end - HEAD_BYTES)
    const result = name === undefined ? this.store.apply(end) : this.store.applyKeyed(end, name)
    operation.settle()
    if (result < 0) throw this.#failure(result, node, name)
    if (result === 0 && (code === DELETE_MEMBER || code === DELETE_ITEM)) return false
    node.writes++
    this.#engine.wrote()
    return true
  }

  #failure(result: number, place: Place, name?: string): Error {
    if (-result === DETACHED) return detached(place)
    return this.#operation.failure(
      result,
      name === undefined ? describePlace(place) : describePlace(place, name),
    )
  }
}

function isHole(words: Int32Array, at: number): boolean {
  return words[at >> 2] === format.HOLE && words[(at >> 2) + 1] === format.SPECIAL
}
