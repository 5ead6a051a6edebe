import { ArrayNode } from '../../../views/array-view.js'
import { ObjectNode } from '../../../views/object-view.js'
import type { Place, TreeEngine, TreeNode } from '../../../contract/tree-engine.js'
import type { Key } from '../../../base/types.js'
import type { Plain } from './copy.js'

/**
 * What both kinds of nodes have. The data are the store's own plain objects and arrays. A container lies in
 * one place as long as it is in the store at all, since assigning copies: so `owner` never changes, and a
 * node is detached when it or one of its owners was taken out.
 */
export interface JsNode extends TreeNode {
  readonly data: Plain | unknown[]
  /** The node of the container that this one lies in. */
  readonly owner: JsNode | undefined
  /** The last of the owners: its parent is the map that all of them lie in, if any. */
  readonly top: JsNode
  /** Set of what was itself taken out. */
  isDetached: boolean
  /** The tree's count of departures when neither the node nor an owner was detached. */
  checked: number
  /** Of a read-only node: the views of what is in it, the same ones each time. */
  views: Map<object, object> | undefined
  /** Of a read-only node: `changes` when it was made. Of a live one: NaN. */
  readonly stamp: number
}

export class JsObject extends ObjectNode implements JsNode {
  readonly top: JsNode
  isDetached = false
  checked = -1
  views: Map<object, object> | undefined = undefined

  constructor(
    tree: TreeEngine,
    readonly data: Plain,
    readonly owner: JsNode | undefined,
    parent: Place | undefined,
    step: Key,
    readonly stamp: number,
  ) {
    super(tree, parent, step)
    this.top = owner?.top ?? this
  }

  override get isReadOnly(): boolean {
    return this.stamp >= 0
  }
}

export class JsArray extends ArrayNode implements JsNode {
  readonly top: JsNode
  isDetached = false
  checked = -1
  views: Map<object, object> | undefined = undefined

  constructor(
    tree: TreeEngine,
    readonly data: unknown[],
    readonly owner: JsNode | undefined,
    parent: Place | undefined,
    step: Key,
    readonly stamp: number,
  ) {
    super(tree, parent, step)
    this.top = owner?.top ?? this
  }

  override get isReadOnly(): boolean {
    return this.stamp >= 0
  }
}

/** The way to a node, as the log has it: null, or a map's name and a key; then names and indexes. */
export function pathOf(node: JsNode): unknown[] {
  const steps: unknown[] = []
  let at = node
  for (; at.owner !== undefined; at = at.owner) steps.push(stepOf(at, at.owner.data))
  if (at.parent === undefined) steps.push(null)
  else steps.push(at.step, at.parent.step)
  return steps.reverse()
}

/** Where the node is in its owner now: items move, members do not. */
function stepOf(node: JsNode, owner: Plain | unknown[]): unknown {
  if (!Array.isArray(owner) || owner[node.step as number] === node.data) return node.step
  return owner.indexOf(node.data)
}
