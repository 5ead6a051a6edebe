// Not the global one, which tests with a clock of their own replace.
import { ABSENT, type Scan, type TreeNode } from '../contract/tree-engine.js'
import { setImmediate } from '../base/timers.js'

/** Objects with fewer members are not worth remembering: looking them up costs less. */
const LEAST_MEMBERS = 65

/**
 * What makes `Object.keys`, `values`, `entries` and `for...in` of a large object sequential. Through a Proxy
 * they ask for the names, and then, one name at a time, for descriptors and values: each would be a lookup by
 * hash. So the last list of names that was handed out is remembered, with a scan that goes along with it.
 */
export class Enumeration {
  static last: Enumeration | undefined

  readonly #changes: number
  #scan: Scan
  /** Where the scan is in the names. */
  #at = -1

  static begin(node: TreeNode, names: readonly string[]): void {
    if (names.length < LEAST_MEMBERS) return
    // The names of a large object are worth some megabytes: not to be kept for longer than a turn.
    if (Enumeration.last === undefined) setImmediate(() => (Enumeration.last = undefined))
    Enumeration.last = new Enumeration(node, names)
  }

  private constructor(
    readonly node: TreeNode,
    readonly names: readonly string[],
  ) {
    this.#changes = node.tree.changes
    this.#scan = node.tree.scan(node)
  }

  /** The value of a member, or ABSENT. Fast where names come in their order. */
  get(name: string): unknown {
    const { node, names } = this
    const { tree } = node
    if (tree.changes !== this.#changes) {
      if (Enumeration.last === this) Enumeration.last = undefined
      return tree.get(node, name)
    }
    if (name === names[this.#at] && this.#at >= 0) return this.#scan.value()
    if (name === names[0]) {
      this.#scan = tree.scan(node)
      this.#at = -1
    } else if (name !== names[this.#at + 1]) {
      return tree.get(node, name)
    }
    if (!this.#scan.next()) return ABSENT
    this.#at++
    return this.#scan.value()
  }
}
