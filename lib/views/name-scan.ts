import type { Newcomers } from './member-log.js'
import { ABSENT, type Scan, type TreeEngine, type TreeNode } from '../contract/tree-engine.js'

/**
 * Goes through the members of an object that have the given names, as long as they are the ones of the beginning.
 */
export class NameScan<Owner> implements Scan {
  #at = -1

  constructor(
    readonly tree: TreeEngine,
    readonly node: TreeNode,
    readonly names: readonly string[],
    readonly newcomers: Newcomers<Owner>,
  ) {}

  next(): boolean {
    const { tree, node, newcomers } = this
    while (++this.#at < this.names.length) {
      const name = this.name()
      if (tree.has(node, name) && !newcomers.has(name)) return true
    }
    return false
  }

  name(): string {
    return this.names[this.#at] as string
  }

  value(): unknown {
    const value = this.tree.get(this.node, this.name())
    return value === ABSENT ? undefined : value
  }
}
