import type { Scan, TreeNode } from '../tree/tree-engine.js'
import type { JsTree } from './tree.js'

/** Names as they were at the beginning; those that are gone meanwhile are passed over. */
export class MemberScan implements Scan {
  readonly #names: string[]
  #next = 0

  constructor(
    readonly tree: JsTree,
    readonly node: TreeNode,
  ) {
    this.#names = tree.names(node)
  }

  next(): boolean {
    while (this.#next < this.#names.length) {
      if (this.tree.has(this.node, this.#names[this.#next++] as string)) return true
    }
    return false
  }

  name(): string {
    return this.#names[this.#next - 1] as string
  }

  value(): unknown {
    return this.tree.get(this.node, this.name())
  }
}

/** The items that are no holes. */
export class ItemScan implements Scan {
  #index: number

  constructor(
    readonly tree: JsTree,
    readonly node: TreeNode,
    from: number,
  ) {
    this.#index = from - 1
  }

  next(): boolean {
    if (this.#index === Infinity) return false
    const found = this.tree.nextItem(this.node, this.#index + 1)
    this.#index = found === -1 ? Infinity : found
    return found !== -1
  }

  name(): number {
    return this.#index
  }

  value(): unknown {
    return this.tree.item(this.node, this.#index)
  }
}
