import type { Scan, TreeNode } from '../contract/tree-engine.js'

/**
 * Iterates as a JavaScript array does: index by index, over what is there when its turn comes, holes as undefined.
 * Items are read by a scan, which is begun anew when something changed.
 */
class ItemIterator {
  #node: TreeNode | undefined
  #index = 0
  #length = 0
  #changes = NaN
  #scan: Scan | undefined
  /** The index of the scan's current item; Infinity when there is none. */
  #found = -1

  constructor(node: TreeNode) {
    this.#node = node
  }

  next(): IteratorResult<unknown, undefined> {
    const node = this.#node
    if (node === undefined) return { done: true, value: undefined }
    const { tree } = node
    if (tree.changes !== this.#changes) {
      this.#length = tree.length(node)
      this.#changes = tree.changes
      this.#scan = undefined
    }
    const index = this.#index
    if (index >= this.#length) {
      this.#node = undefined
      return { done: true, value: undefined }
    }
    if (this.#scan === undefined) {
      this.#scan = tree.scan(node, index)
      this.#advance()
    }
    this.#index++
    if (this.#found !== index) return { done: false, value: undefined }
    const value = this.#scan.value()
    this.#advance()
    return { done: false, value }
  }

  get [Symbol.toStringTag](): string {
    return 'Array Iterator'
  }

  #advance(): void {
    const scan = this.#scan as Scan
    this.#found = scan.next() ? (scan.name() as number) : Infinity
  }
}

// The helper methods (map, filter, take ...) of the runtime, where it has them, and Symbol.iterator.
Object.setPrototypeOf(
  ItemIterator.prototype,
  Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object,
)

export function iterateItems(node: TreeNode): ArrayIterator<unknown> {
  return new ItemIterator(node) as unknown as ArrayIterator<unknown>
}
