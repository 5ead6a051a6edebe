import { ArrayNode } from '../../../views/array-view.js'
import { ObjectNode } from '../../../views/object-view.js'
import { detached } from '../../../views/place.js'
import { refuseChange } from '../../../views/refusals.js'
import {
  ABSENT,
  type Place,
  type Scan,
  type TreeEngine,
  type TreeNode,
} from '../../../contract/tree-engine.js'
import { makeView } from '../../../views/view.js'
import type { Key } from '../../../base/types.js'
import { isContainer, type Decoder } from '../codec/decoder.js'
import type { EngineState } from '../engine-state.js'
import * as format from '../codec/format.js'
import type { Shapes } from '../codec/shapes.js'
import type { Window } from '../codec/window.js'

/** Where a packed container lies, and what its members are. */
interface PackedNode {
  readonly window: Window
  /** Byte of its own slot in the window. */
  readonly slot: number
  /** Byte of the first slot of a value, `stride` bytes apart. */
  readonly values: number
  readonly stride: number
  readonly count: number
  /**
   * The store's count of changes when it was made: after any later one its bytes may belong to something
   * else.
   */
  readonly changes: number
  /** Views of containers in it: the same one each time. */
  views: (object | undefined)[] | undefined
}

class PackedObject extends ObjectNode implements PackedNode {
  views: (object | undefined)[] | undefined = undefined
  indexes: Map<string, number> | undefined

  constructor(
    tree: PackedTree,
    parent: Place,
    step: Key,
    readonly window: Window,
    readonly slot: number,
    readonly values: number,
    readonly stride: number,
    readonly count: number,
    readonly changes: number,
    /** undefined: a dictionary that has not been asked yet. */
    indexes: Map<string, number> | undefined,
  ) {
    super(tree, parent, step)
    this.indexes = indexes
  }

  override get isReadOnly(): boolean {
    return true
  }
}

class PackedArray extends ArrayNode implements PackedNode {
  views: (object | undefined)[] | undefined = undefined
  readonly stride = 8

  constructor(
    tree: PackedTree,
    parent: Place,
    step: Key,
    readonly window: Window,
    readonly slot: number,
    readonly values: number,
    readonly count: number,
    readonly changes: number,
  ) {
    super(tree, parent, step)
  }

  override get isReadOnly(): boolean {
    return true
  }
}

/**
 * Views of packed values, for the callbacks of queries over maps: they read the fields that are touched, where they
 * lie, and are good until the store changes.
 */
export class PackedTree implements TreeEngine {
  readonly set = refuseChange
  readonly delete = refuseChange
  readonly setItem = refuseChange
  readonly deleteItem = refuseChange
  readonly setLength = refuseChange
  readonly splice = refuseChange
  readonly take = refuseChange
  readonly permute = refuseChange
  /** For copyWithin() only. */
  readonly copyItems = refuseChange
  readonly #engine: EngineState
  readonly #decoder: Decoder
  readonly #shapes: Shapes

  constructor(
    engine: EngineState,
    shapes: Shapes,
    readonly root: TreeNode,
  ) {
    this.#engine = engine
    this.#decoder = engine.decoder
    this.#shapes = shapes
  }

  get changes(): number {
    return this.#engine.changes
  }

  /** What the slot at byte `at` shows: a view, when it is a container's. `window` must be lasting. */
  value(window: Window, at: number, parent: Place, step: Key): unknown {
    const { words } = window
    const high = words[(at >> 2) + 1] as number
    if (!isContainer(high)) return this.#decoder.slot(window, at)
    const body = at + (words[at >> 2] as number)
    const changes = this.#engine.changes
    if (high >> 16 === format.OBJECT >> 16) {
      const { indexes } = this.#shapes.get(high & 0xffff)
      return makeView(
        new PackedObject(this, parent, step, window, at, body, 8, indexes.size, changes, indexes),
      )
    }
    const count = words[body >> 2] as number
    return makeView(
      high >> 16 === format.ARRAY >> 16
        ? new PackedArray(this, parent, step, window, at, body + 8, count, changes)
        : new PackedObject(this, parent, step, window, at, body + 16, 16, count, changes, undefined),
    )
  }

  get(node: TreeNode, name: string): unknown {
    const packed = this.#check(node as PackedObject)
    const index = this.#indexes(packed).get(name)
    return index === undefined ? ABSENT : this.#at(packed, index, name)
  }

  has(node: TreeNode, name: string): boolean {
    return this.#indexes(this.#check(node as PackedObject)).has(name)
  }

  names(node: TreeNode): string[] {
    return [...this.#indexes(this.#check(node as PackedObject)).keys()]
  }

  size(node: TreeNode): number {
    return this.#check(node as PackedObject).count
  }

  length(node: TreeNode): number {
    return this.#check(node as PackedArray).count
  }

  item(node: TreeNode, index: number): unknown {
    const packed = this.#check(node as PackedArray)
    return this.#isItem(packed, index) ? this.#at(packed, index, index) : ABSENT
  }

  hasItem(node: TreeNode, index: number): boolean {
    return this.#isItem(this.#check(node as PackedArray), index)
  }

  indexes(node: TreeNode): string[] {
    const packed = this.#check(node as PackedArray)
    const names: string[] = []
    for (let index = 0; index < packed.count; index++) {
      if (this.#isItem(packed, index)) names.push(String(index))
    }
    return names
  }

  copy(node: TreeNode): unknown {
    const packed = this.#check(node as PackedObject | PackedArray)
    return this.#decoder.valueIn(packed.window, packed.slot)
  }

  scan(node: TreeNode, from = 0): Scan {
    return node.isArray
      ? new PackedItems(this, this.#check(node as PackedArray), from)
      : new PackedMembers(this, node, this.names(node))
  }

  #check<Node extends PackedNode & TreeNode>(node: Node): Node {
    this.#engine.check()
    if (node.changes !== this.#engine.changes) throw detached(node)
    return node
  }

  #indexes(node: PackedObject): Map<string, number> {
    if (node.indexes !== undefined) return node.indexes
    const indexes = new Map<string, number>()
    for (let index = 0; index < node.count; index++) {
      indexes.set(this.#decoder.slot(node.window, node.values - 8 + 16 * index) as string, index)
    }
    return (node.indexes = indexes)
  }

  #isItem({ window, values, count }: PackedArray, index: number): boolean {
    if (index >= count) return false
    const word = (values + 8 * index) >> 2
    return window.words[word] !== format.HOLE || window.words[word + 1] !== format.SPECIAL
  }

  #at(node: PackedNode & TreeNode, index: number, step: string | number): unknown {
    const at = node.values + node.stride * index
    const { window } = node
    if (!isContainer(window.words[(at >> 2) + 1] as number)) return this.#decoder.slot(window, at)
    const views = (node.views ??= [])
    return (views[index] ??= this.value(window, at, node, step) as object)
  }
}

class PackedMembers implements Scan {
  #at = -1

  constructor(
    readonly tree: PackedTree,
    readonly node: TreeNode,
    readonly names: string[],
  ) {}

  next(): boolean {
    return ++this.#at < this.names.length
  }

  name(): string {
    return this.names[this.#at] as string
  }

  value(): unknown {
    return this.tree.get(this.node, this.name())
  }
}

class PackedItems implements Scan {
  #at: number

  constructor(
    readonly tree: PackedTree,
    readonly node: PackedArray,
    from: number,
  ) {
    this.#at = from - 1
  }

  next(): boolean {
    const { tree, node } = this
    while (++this.#at < node.count) if (tree.hasItem(node, this.#at)) return true
    return false
  }

  name(): number {
    return this.#at
  }

  value(): unknown {
    return this.tree.item(this.node, this.#at)
  }
}
