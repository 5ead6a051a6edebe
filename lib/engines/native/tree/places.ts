import { detached } from '../../../views/place.js'
import type { Place, TreeEngine, TreeNode } from '../../../contract/tree-engine.js'
import { ViewCache } from '../../../views/view-cache.js'
import { makeView } from '../../../views/view.js'
import type { Key } from '../../../base/types.js'
import type { NativeStore } from '../binding.js'
import type { Decoder } from '../codec/decoder.js'
import type { EngineState } from '../engine-state.js'
import { NativeArray, NativeObject, type NativeNode } from './node.js'
import type { Window } from '../codec/window.js'

// The kind of a node, as it stands in the second word of its block.
const KIND_MASK = 0xf0000
export const SHAPED = 0
export const DICTIONARY = 0x10000
export const TABLE = 0x20000
export const LIST = 0x30000

/** The kind that the second word of a node's block says. */
export function kindOf(high: number): number {
  return high & KIND_MASK
}

/**
 * Where nodes are, and their views. A node's place is remembered in it until something in the tree's layout changes
 * (`result[1]`), and asked for again only then.
 */
export class Places {
  readonly decoder: Decoder
  readonly #engine: EngineState
  readonly #store: NativeStore
  readonly #result: Float64Array
  readonly #nodes = new ViewCache<NativeObject | NativeArray>()
  /** As `result[1]` was when `#epoch` began. */
  #version = -1
  /** Stands for a layout version: a pointer in each node, where a large number would be a box. */
  #epoch: object = {}

  constructor(engine: EngineState, store: NativeStore) {
    this.#engine = engine
    this.decoder = engine.decoder
    this.#store = store
    this.#result = store.result
  }

  /**
   * Makes sure that what is known of the node's place is right. Throws when the store is closed or the node
   * detached.
   */
  locate(node: NativeNode & TreeNode): void {
    if (node.epoch !== this.#epoch || this.#result[1] !== this.#version) this.#relocate(node)
  }

  /** Called when the store is closed: from then on every node is asked for its place, and refuses. */
  seal(): void {
    this.#epoch = {}
  }

  /** The arena offset of a located node's block. */
  block(node: NativeNode): number {
    return node.window === undefined ? node.at : node.window.base + node.at
  }

  /** A window over a located node's block; without windows, good only until the decoder is used again. */
  window(node: NativeNode): Window {
    return node.window ?? this.decoder.window(node.at)
  }

  /** The byte in that window where the block begins. */
  start(node: NativeNode): number {
    return node.window === undefined ? 0 : node.at
  }

  /**
   * The view of a node: the one that is there, or a new one. `block`: where the node is, when that is known, or 0.
   */
  child(id: number, tree: TreeEngine, parent: Place, step: Key, block: number): object {
    const known = this.#nodes.get(id)
    if (known !== undefined) return known.view
    const offset = block === 0 ? this.#store.locate(id) : block
    const window = this.decoder.window(offset)
    const at = offset - window.base
    const isArray = kindOf(window.words[(at >> 2) + 1] as number) >= LIST
    const node = isArray ? new NativeArray(tree, parent, step, id) : new NativeObject(tree, parent, step, id)
    if (this.#result[1] !== this.#version) this.#begin()
    this.#put(node, offset, window)
    this.#nodes.add(node)
    return makeView(node)
  }

  #relocate(node: NativeNode & TreeNode): void {
    this.#engine.check()
    if (this.#result[1] !== this.#version) this.#begin()
    if (node.epoch === this.#epoch) return
    const block = this.#store.locate(node.id)
    if (block === 0) throw detached(node)
    this.#put(node, block, this.decoder.window(block))
  }

  #put(node: NativeNode, block: number, window: Window): void {
    node.epoch = this.#epoch
    if (this.decoder.hasWindows) {
      node.window = window
      node.at = block - window.base
    } else {
      node.at = block
    }
  }

  #begin(): void {
    this.#epoch = {}
    this.#version = this.#result[1] as number
  }
}
