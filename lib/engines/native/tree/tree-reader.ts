import { describePlace, detached } from '../../../views/place.js'
import { MemberLog, Newcomers } from '../../../views/member-log.js'
import { NameScan } from '../../../views/name-scan.js'
import { ABSENT, type Place, type Scan, type TreeNode } from '../../../contract/tree-engine.js'
import { makeView } from '../../../views/view.js'
import type { Key } from '../../../base/types.js'
import { isKeyTooLong } from '../../../base/value-errors.js'
import type { NativeStore } from '../binding.js'
import { slotNode, type Decoder } from '../codec/decoder.js'
import type { EngineState } from '../engine-state.js'
import * as format from '../codec/format.js'
import { NativeObject, type NativeArray, type NativeNode } from './node.js'
import { Packer } from './packer.js'
import { DICTIONARY, kindOf, LIST, Places, SHAPED, TABLE } from './places.js'
import type { Shape, Shapes } from '../codec/shapes.js'
import { ItemScan, TableScan, type ScannedTree } from './tree-scan.js'
import type { Window } from '../codec/window.js'

const ROOT = 1

/**
 * What can be read of the tree of the C++ core; tree.ts extends it by the changes, rather than holding it, so
 * that no read takes a call more. Members of objects with a shape, and items of small arrays, are found and
 * decoded here without a call of the addon; those of large ones are found by one call.
 */
export abstract class TreeReader implements ScannedTree {
  readonly root: TreeNode
  readonly store: NativeStore
  readonly decoder: Decoder
  readonly places: Places
  /** Counts changes that may be of any node, and are not made by this class: those of maps, and rollbacks. */
  foreign = 0
  /** Which members of objects came and went; not those for which a TABLE's numbers tell it. */
  readonly log = new MemberLog<number>()
  protected readonly engine: EngineState
  protected readonly packer: Packer
  readonly #shapes: Shapes
  protected readonly result: Float64Array

  constructor(engine: EngineState, store: NativeStore, shapes: Shapes) {
    this.store = store
    this.decoder = engine.decoder
    this.places = new Places(engine, store)
    this.engine = engine
    this.packer = new Packer(store, this.decoder)
    this.#shapes = shapes
    this.result = store.result
    const root = new NativeObject(this, undefined, 'root', ROOT)
    makeView(root)
    this.root = root
    this.decoder.copyNode = (id) => this.packer.copy(id, (result) => this.fail(result, root))
  }

  abstract set(node: TreeNode, name: string, value: unknown): void
  abstract delete(node: TreeNode, name: string): boolean
  abstract setItem(node: TreeNode, index: number, value: unknown): void
  abstract deleteItem(node: TreeNode, index: number): boolean
  abstract setLength(node: TreeNode, length: number): void
  abstract splice(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): void
  abstract take(node: TreeNode, start: number, deleteCount: number, items: readonly unknown[]): unknown[]
  abstract permute(node: TreeNode, order: Uint32Array): void
  /** Another number after each write to the node: places of members that were found before may be wrong. */
  abstract writes(node: NativeNode): number

  get changes(): number {
    return this.engine.changes
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

  copy(node: TreeNode): unknown {
    this.engine.check()
    return this.packer.copy((node as NativeObject).id, (result) => this.fail(result, node))
  }

  copyItems(node: TreeNode, start: number, end: number): unknown[] {
    const native = node as NativeArray
    this.places.locate(native)
    const indexes = (from: number, count: number): Float64Array => {
      const places = new Float64Array(2 * count)
      this.store.scanItems(this.places.block(native), from, places)
      return places
    }
    return this.packer.copyItems(native.id, start, end, indexes, (result) => this.fail(result, node))
  }

  scan(node: TreeNode, from = 0): Scan {
    const native = node as NativeObject | NativeArray
    this.places.locate(native)
    if (native.isArray) return new ItemScan(this, native as NativeArray, from)
    const object = native as NativeObject
    if (this.isTable(object)) return new TableScan(this, object)
    return new NameScan(this, object, this.names(object), new Newcomers(this.log, object.id))
  }

  /**
   * The value that the slot at this arena offset shows; a view when it is of a node, whose block may be
   * given.
   */
  valueAt(offset: number, parent: Place, step: Key, block = 0): unknown {
    const window = this.decoder.window(offset)
    const at = offset - window.base
    const id = slotNode(window, at)
    return id !== 0 ? this.places.child(id, this, parent, step, block) : this.decoder.slot(window, at)
  }

  /** The node with this number, which is in the tree, as one packed value in a window of its own. */
  packedWindow(id: number): Window {
    return this.packer.window(id, (result) => this.fail(result, this.root))
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
    return offset === 0 ? ABSENT : this.valueAt(offset, parent, step, this.result[2])
  }

  #findMember(node: NativeObject, name: string): number {
    const offset = this.store.findMember(this.places.block(node), name)
    if (offset >= 0) return offset
    return isKeyTooLong(name) ? 0 : this.fail(offset, node, name)
  }

  protected fail(result: number, place: Place, name?: string): never {
    const path = name === undefined ? describePlace(place) : describePlace(place, name)
    const error = this.engine.operation.failure(result, path)
    throw error.code === 'ERR_FORKSTORE_DETACHED' ? detached(place) : error
  }
}

function isHole(words: Int32Array, at: number): boolean {
  return words[at >> 2] === format.HOLE && words[(at >> 2) + 1] === format.SPECIAL
}
