import type { NativeStore } from './binding.js'
import { errorFromCode } from './errors.js'
import type { Writer } from './writers.js'

/** Wider objects are dictionaries; docs/format.md, section 1. */
export const MAX_SHAPE_FIELDS = 64
const MAX_NAME_UNITS = 255
/** TOO_LARGE: there is no shape to be had; see `NativeStore.defineShape`. */
const TOO_LARGE_CODE = 6
/** Bounds the memory of the tree, whatever key sequences users make up. */
const MAX_NODES = 65_536

/** Instead of a shape: such objects are stored as dictionaries. */
export const NO_SHAPE = -1
/** Instead of a shape: it must be defined first. A value that is refused later must not have defined any. */
export const NOT_DEFINED = -2

/** One sequence of field names, as a place in the tree. */
export class ShapeNode {
  readonly parent: ShapeNode | undefined
  readonly name: string
  readonly depth: number
  shape = NOT_DEFINED
  /** Generated when a map has had many objects of this shape in a row. */
  writer: Writer | undefined = undefined
  // The step taken last is nearly always the step taken next.
  lastName: string | undefined = undefined
  lastNode: ShapeNode | undefined = undefined
  steps: Map<string, ShapeNode> | undefined = undefined

  constructor(parent: ShapeNode | undefined, name: string) {
    this.parent = parent
    this.name = name
    this.depth = parent === undefined ? 0 : parent.depth + 1
  }
}

/**
 * Finds the shape for a sequence of field names, as hidden classes are found: a tree with a step for each
 * name. It is a cache of the store's shape table, and may be incomplete.
 */
export class ShapeTree {
  readonly root = new ShapeNode(undefined, '')
  readonly #store: NativeStore
  #nodes = 1
  /** The store's table is full: what can be found is found, and nothing is defined any more. */
  #isFull = false

  constructor(store: NativeStore) {
    this.#store = store
  }

  /** The node one step further; undefined when the tree has no room for it. */
  step(node: ShapeNode, name: string): ShapeNode | undefined {
    let next = node.steps?.get(name)
    if (next === undefined) {
      if (node.depth >= MAX_SHAPE_FIELDS || name.length > MAX_NAME_UNITS) return undefined
      if (this.#nodes >= MAX_NODES) return undefined
      next = new ShapeNode(node, name)
      this.#nodes++
      node.steps ??= new Map()
      node.steps.set(name, next)
    }
    node.lastName = name
    node.lastNode = next
    return next
  }

  /** The shape of the node, NO_SHAPE or NOT_DEFINED. */
  shapeOf(node: ShapeNode): number {
    return node.shape === NOT_DEFINED && this.#isFull ? this.define(node) : node.shape
  }

  /** The same for a sequence that has no node. */
  shapeOfNames(names: string[]): number {
    if (names.length > MAX_SHAPE_FIELDS || names.some((name) => name.length > MAX_NAME_UNITS)) return NO_SHAPE
    return this.#isFull ? this.defineNames(names) : NOT_DEFINED
  }

  /** The shape, defined when it was not; or NO_SHAPE. Throws when the store refuses it for another reason. */
  define(node: ShapeNode): number {
    if (node.shape === NOT_DEFINED) node.shape = this.defineNames(this.names(node))
    return node.shape
  }

  defineNames(names: string[]): number {
    const shape = this.#store.defineShape(names)
    if (shape >= 0) return shape
    if (-shape !== TOO_LARGE_CODE) throw errorFromCode(-shape, this.#store.lastMessage())
    this.#isFull = true
    return NO_SHAPE
  }

  names(node: ShapeNode): string[] {
    const names: string[] = new Array<string>(node.depth)
    for (let at: ShapeNode = node; at.parent !== undefined; at = at.parent) names[at.depth - 1] = at.name
    return names
  }
}
