import { ArrayNode } from '../../../views/array-view.js'
import { ObjectNode } from '../../../views/object-view.js'
import { describePlace } from '../../../views/place.js'
import type { Place, TreeEngine, TreeNode } from '../../../contract/tree-engine.js'
import type { Key } from '../../../base/types.js'
import { describeSteps, type Steps } from '../../../base/value-errors.js'
import type { Window } from '../codec/window.js'
import { Site } from '../codec/writers.js'

/**
 * What is known of a node beside its number: where its block was found, and in which epoch of the tree's
 * layout. The first word of a block says the kind; docs/format.md, section 4, "Nodes". Millions of these are
 * made, so there is no field that would be a box: no number but small ones, where the arena has windows.
 */
export interface NativeNode {
  /** Never used again for another node. */
  readonly id: number
  /** The `epoch` of the tree when `window` and `at` were right. */
  epoch: object | undefined
  /** Over the block, at byte `at`. Where there are no windows: undefined, and `at` is the arena offset. */
  window: Window | undefined
  at: number
  /** Of values that were written here by the general encoder. */
  site: Site | undefined
  /** The view cache's. */
  page: object | undefined
}

/** By the numbers: there may be two views of one node (docs/design.md, "Identity"). */
function isSameNode(one: NativeNode & TreeNode, other: TreeNode): boolean {
  return one.tree === other.tree && one.id === (other as NativeNode & TreeNode).id
}

/** A node that is an object. */
export class NativeObject extends ObjectNode implements NativeNode {
  epoch: object | undefined = undefined
  window: Window | undefined = undefined
  at = 0
  site: Site | undefined = undefined
  page: object | undefined = undefined

  constructor(
    tree: TreeEngine,
    parent: Place | undefined,
    step: Key,
    readonly id: number,
  ) {
    super(tree, parent, step)
  }

  override shows(other: TreeNode): boolean {
    return isSameNode(this, other)
  }
}

/** A node that is an array. */
export class NativeArray extends ArrayNode implements NativeNode {
  epoch: object | undefined = undefined
  window: Window | undefined = undefined
  at = 0
  site: Site | undefined = undefined
  page: object | undefined = undefined

  constructor(
    tree: TreeEngine,
    parent: Place | undefined,
    step: Key,
    readonly id: number,
  ) {
    super(tree, parent, step)
  }

  override shows(other: TreeNode): boolean {
    return isSameNode(this, other)
  }
}

/** A node that values are assigned to the members of. Keys are names and indexes. */
export class NodeSite extends Site {
  constructor(readonly node: Place) {
    super()
  }

  describe(key: unknown, steps: Steps): string {
    return describePlace(this.node) + describeSteps([key as string | number, ...steps])
  }
}

/**
 * An array that gets items from index `key` on. The first step to a part of the value is the place among
 * them.
 */
export class SpliceSite extends Site {
  constructor(readonly node: Place) {
    super()
  }

  describe(key: unknown, steps: Steps): string {
    const [first, ...rest] = steps
    return (
      describePlace(this.node) +
      (first === undefined ? '' : describeSteps([(key as number) + (first as number), ...rest]))
    )
  }
}
