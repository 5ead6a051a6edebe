import type { Scan, TreeNode } from '../../../contract/tree-engine.js'
import { MANY_HOLES } from './containers.js'

/** What the scan needs of the tree. */
interface ScannedTree {
  /** Another number after every change. */
  readonly changes: number
  length(node: TreeNode): number
  indexes(node: TreeNode): string[]
  item(node: TreeNode, index: number): unknown
  nextItem(node: TreeNode, from: number): number
}

/** The items that are no holes, up to where the array ends now. */
export class ItemScan implements Scan {
  readonly #end: number
  #index: number
  /** Where there are many holes: the names that come next, as long as nothing changes. */
  #names: { names: string[]; next: number; changes: number } | undefined

  constructor(
    readonly tree: ScannedTree,
    readonly node: TreeNode,
    from: number,
  ) {
    this.#index = from - 1
    this.#end = tree.length(node)
  }

  next(): boolean {
    if (this.#index === Infinity) return false
    const before = this.#index
    const following = this.#following(before)
    this.#index = following < this.#end ? following : Infinity
    if (this.#names === undefined && this.#index - before > MANY_HOLES && this.#index !== Infinity) {
      const names = this.tree.indexes(this.node)
      this.#names = { names, next: names.indexOf(String(this.#index)) + 1, changes: this.tree.changes }
    }
    return this.#index !== Infinity
  }

  name(): number {
    return this.#index
  }

  value(): unknown {
    return this.tree.item(this.node, this.#index)
  }

  #following(index: number): number {
    if (this.#names !== undefined) {
      this.tree.length(this.node) // it may settle what changes the tree, and sees whether the array is still there
      if (this.#names.changes === this.tree.changes) {
        const name = this.#names.names[this.#names.next++]
        return name === undefined ? Infinity : Number(name)
      }
      this.#names = undefined
    }
    const found = this.tree.nextItem(this.node, index + 1)
    return found === -1 ? Infinity : found
  }
}
