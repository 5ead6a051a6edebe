// Not the global one, which tests with a clock of their own replace.
import { IdIndex } from './id-index.js'
import { setImmediate } from '../base/timers.js'

/**
 * Remembers views by the numbers of their nodes, so that the same object is the same view as long as anybody
 * holds it, without a WeakRef for each, which would cost fifteen times what a view costs.
 *
 * A view is held strongly by the slot of the `recent` table that its number falls on, until another one needs
 * the slot. Then it moves into the current *page*, which each of its views holds: as long as one of them is
 * held, so is the page, and hence every view of the page can be found again through one WeakRef. Pages that
 * nobody holds go with the garbage; what the index still says of them is removed in passing.
 *
 * The language keeps whatever a WeakRef was made of until the end of the job. So that a loop over millions of
 * objects does not pile up their views, only so many pages are made in a turn of the event loop, and views
 * that fall out after that are forgotten, even if somebody holds them: docs/design.md, "Views", says what
 * that means.
 */

export const MOST_PAGED_IN_A_TURN = 65_536

/** Of caches that are made from now on. For tests, which make them tiny; the first two are powers of two. */
export const viewCacheSizes = { recent: 16_384, page: 32, mostPagedInATurn: MOST_PAGED_IN_A_TURN }

/** Pages that are looked at for each one that is made, while dead ones are found: these come in swarms. */
const LEAST_LOOKED_AT = 2
const MOST_LOOKED_AT = 16

/** What a node must have, to be remembered. */
export interface CachedNode {
  readonly id: number
  /** This cache's; undefined at first. */
  page: object | undefined
}

/** A page that has been filled: its nodes may be gone, the numbers are needed to clear the index. */
interface Filled<Node extends CachedNode> {
  readonly ids: readonly number[]
  readonly weak: WeakRef<Node[]>
}

export class ViewCache<Node extends CachedNode> {
  readonly #mask = viewCacheSizes.recent - 1
  readonly #pageSize = viewCacheSizes.page
  readonly #mostPagedInATurn = viewCacheSizes.mostPagedInATurn
  readonly #recent = new Array<Node | undefined>(this.#mask + 1).fill(undefined)
  /** Where a node is: the number of its page, times the size of a page, and its place there. */
  readonly #index = new IdIndex()
  readonly #filled: (Filled<Node> | undefined)[] = []
  /** Numbers of pages that can be used again. */
  readonly #unused: number[] = []
  /** The page that is being filled, and its number. */
  #page: Node[] = []
  #number = 0
  #lookAt = 0
  #leftInTurn = this.#mostPagedInATurn

  /** The node with this number, if it is remembered. */
  get(id: number): Node | undefined {
    const node = this.#recent[id & this.#mask]
    return node !== undefined && node.id === id ? node : this.#find(id)
  }

  /** REQUIRES: `get(node.id)` is undefined. */
  add(node: Node): void {
    const at = node.id & this.#mask
    const before = this.#recent[at]
    this.#recent[at] = node
    if (before !== undefined && before.page === undefined) this.#evict(before)
  }

  /** Forgets everything. */
  clear(): void {
    this.#recent.fill(undefined)
    this.#index.clear()
    this.#filled.length = this.#unused.length = this.#number = this.#lookAt = 0
    this.#page = []
  }

  #find(id: number): Node | undefined {
    const place = this.#index.get(id)
    if (place < 0) return undefined
    const number = Math.floor(place / this.#pageSize)
    const page = number === this.#number ? this.#page : this.#filled[number]?.weak.deref()
    const node = page?.[place % this.#pageSize]
    if (node !== undefined) this.add(node)
    return node
  }

  #evict(node: Node): void {
    if (this.#leftInTurn === 0) return
    if (this.#leftInTurn === this.#mostPagedInATurn) {
      setImmediate(() => (this.#leftInTurn = this.#mostPagedInATurn))
    }
    this.#leftInTurn--
    const page = this.#page
    this.#index.set(node.id, this.#number * this.#pageSize + page.length)
    page.push(node)
    node.page = page
    if (page.length === this.#pageSize) this.#turnPage()
  }

  #turnPage(): void {
    this.#filled[this.#number] = { ids: this.#page.map(({ id }) => id), weak: new WeakRef(this.#page) }
    let left = LEAST_LOOKED_AT
    for (let looked = 0; left > 0 && looked < MOST_LOOKED_AT; looked++, left--) {
      if (this.#sweepOne()) left++
    }
    this.#page = []
    this.#number = this.#unused.pop() ?? this.#filled.length
  }

  /** Looks at the next page in turn; takes it out of the index when it is dead. */
  #sweepOne(): boolean {
    if (this.#lookAt >= this.#filled.length) this.#lookAt = 0
    const number = this.#lookAt++
    const filled = this.#filled[number]
    if (filled === undefined || filled.weak.deref() !== undefined) return false
    for (const id of filled.ids) {
      // A view that was made anew may have its place in a later page.
      if (Math.floor(this.#index.get(id) / this.#pageSize) === number) this.#index.delete(id)
    }
    this.#filled[number] = undefined
    this.#unused.push(number)
    return true
  }
}
