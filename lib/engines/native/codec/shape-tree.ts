import type { NativeStore } from '../binding.js'
import { errorFromCode } from '../errors.js'
import type { Writer } from './writer.js'

/** Wider objects are dictionaries; docs/format.md, section 1. */
const MAX_SHAPE_FIELDS = 64
const MAX_NAME_UNITS = 255
/** TOO_LARGE: there is no shape to be had; see `NativeStore.defineShape`. */
const TOO_LARGE_CODE = 6
/** Bounds the memory of the tree, whatever key sequences users make up; it begins anew when it is full. */
const MAX_NODES = 65_536
/**
 * While there are fewer shapes, a list of names gets one at first sight; after that only at its second, so
 * that objects that are really dictionaries, each of its own kind, do not use up the shapes.
 */
export const SHAPES_AT_FIRST_SIGHT = 1024
/**
 * How many lists that were seen once are remembered: by their hashes, and the place of one may be taken by another.
 */
const SEEN_ONCE = 32_768

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
  /** Changes when the tree begins anew; nodes of the old one can still be used. */
  root = new ShapeNode(undefined, '')
  readonly #store: NativeStore
  #nodes = 1
  /** As many as are known of here. */
  #shapes: number
  /** Hashes of lists of names, each in the place that it names itself. */
  #seen: Int32Array | undefined
  /** The store's table is full: what can be found is found, and nothing is defined any more. */
  #isFull = false

  constructor(store: NativeStore) {
    this.#store = store
    this.#shapes = store.stats().shapes
    // Shapes that the store already has are found at first sight.
    if (this.#shapes >= SHAPES_AT_FIRST_SIGHT) {
      for (let shape = 0; shape < this.#shapes; shape++) this.#sees(store.shapeNames(shape))
    }
  }

  /** The node one step further; undefined where no shape goes. */
  step(node: ShapeNode, name: string): ShapeNode | undefined {
    let next = node.steps?.get(name)
    if (next === undefined) {
      if (node.depth >= MAX_SHAPE_FIELDS || name.length > MAX_NAME_UNITS) return undefined
      if (this.#nodes >= MAX_NODES) {
        this.root = new ShapeNode(undefined, '')
        this.#nodes = 1
      }
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
    if (node.shape !== NOT_DEFINED) return node.shape
    if (this.#isFull) return this.define(node)
    const isFree = this.#shapes < SHAPES_AT_FIRST_SIGHT || node.depth === 0
    return isFree || this.#sees(this.names(node)) ? NOT_DEFINED : NO_SHAPE
  }

  /** The shape, defined when it was not; or NO_SHAPE. Throws when the store refuses it for another reason. */
  define(node: ShapeNode): number {
    if (node.shape !== NOT_DEFINED) return node.shape
    const shape = this.#store.defineShape(this.names(node))
    if (shape >= this.#shapes) this.#shapes = shape + 1
    if (shape >= 0) return (node.shape = shape)
    if (-shape !== TOO_LARGE_CODE) throw errorFromCode(-shape, this.#store.lastMessage())
    this.#isFull = true
    return (node.shape = NO_SHAPE)
  }

  names(node: ShapeNode): string[] {
    const names: string[] = new Array<string>(node.depth)
    for (let at: ShapeNode = node; at.parent !== undefined; at = at.parent) names[at.depth - 1] = at.name
    return names
  }

  /** Whether this list was seen before; it is remembered. */
  #sees(names: readonly string[]): boolean {
    const seen = (this.#seen ??= new Int32Array(SEEN_ONCE))
    let hash = names.length
    for (const name of names) {
      for (let index = 0; index < name.length; index++) {
        hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
      }
      hash = Math.imul(hash ^ 0x10000 ^ (hash >>> 15), 0x01000193) // where one name ends
    }
    const place = (Math.imul(hash, 0x9e3779b1) >>> 17) & (SEEN_ONCE - 1)
    const stored = hash === 0 ? 1 : hash // 0 is a place that was never taken
    if (seen[place] === stored) return true
    seen[place] = stored
    return false
  }
}
