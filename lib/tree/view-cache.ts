/**
 * Remembers views by the numbers of their nodes, so that the same object is the same view as long as anybody holds it,
 * without a WeakRef for each, which would cost fifteen times what a view costs.
 *
 * A view is held strongly by the slot of the `recent` table that its number falls on, until another one needs the slot.
 * Then it moves into the current *page*, which each of its views holds: as long as one of them is held, so is
 * the page, and hence every view of the page can be found again through one WeakRef. Pages that nobody holds go with the
 * garbage; what the index still says of them is removed in passing.
 *
 * The language keeps whatever a WeakRef was made of until the end of the job. So that a loop over millions of objects
 * does not pile up their views, only so many pages are made in a turn of the event loop, and views that
 * fall out after that are forgotten, even if somebody holds them: docs/design.md, "Views", says what that means.
 */

const RECENT = 16_384
const PAGE = 32
export const MOST_PAGED_IN_A_TURN = 65_536
/** Pages that are looked at for each one that is made: dead ones go faster than new ones come. */
const LOOKED_AT = 2

/** What a node must have, to be remembered. */
export interface CachedNode {
  readonly id: number
  /** This cache's; undefined at first. */
  page: object | undefined
}

/** Where the index finds a page: strongly while it is being filled. */
interface Holder<Node extends CachedNode> {
  readonly ids: number[]
  page: Page<Node> | undefined
  weak: WeakRef<Page<Node>> | undefined
}

type Page<Node extends CachedNode> = Node[]

export class ViewCache<Node extends CachedNode> {
  #recent = new Array<Node | undefined>(RECENT).fill(undefined)
  readonly #index = new Map<number, Holder<Node>>()
  readonly #holders: Holder<Node>[] = []
  #current: Holder<Node> = newHolder()
  #lookAt = 0
  #leftInTurn = MOST_PAGED_IN_A_TURN

  /** The node with this number, if it is remembered. */
  get(id: number): Node | undefined {
    const node = this.#recent[id & (RECENT - 1)]
    return node !== undefined && node.id === id ? node : this.#find(id)
  }

  /** REQUIRES: `get(node.id)` is undefined. */
  add(node: Node): void {
    const at = node.id & (RECENT - 1)
    const before = this.#recent[at]
    this.#recent[at] = node
    if (before !== undefined && before.page === undefined) this.#evict(before)
  }

  /** Forgets everything. */
  clear(): void {
    this.#recent.fill(undefined)
    this.#index.clear()
    this.#holders.length = 0
    this.#current = newHolder()
  }

  #find(id: number): Node | undefined {
    const holder = this.#index.get(id)
    if (holder === undefined) return undefined
    const page = holder.page ?? holder.weak?.deref()
    if (page === undefined) {
      this.#index.delete(id)
      return undefined
    }
    const node = page.find((each) => each.id === id)
    if (node !== undefined) this.add(node)
    return node
  }

  #evict(node: Node): void {
    if (this.#leftInTurn === 0) return
    if (this.#leftInTurn-- === MOST_PAGED_IN_A_TURN) {
      setImmediate(() => (this.#leftInTurn = MOST_PAGED_IN_A_TURN))
    }
    const holder = this.#current
    const page = holder.page as Page<Node>
    page.push(node)
    node.page = page
    holder.ids.push(node.id)
    this.#index.set(node.id, holder)
    if (page.length < PAGE) return
    holder.weak = new WeakRef(page)
    holder.page = undefined
    this.#holders.push(holder)
    this.#current = newHolder()
    for (let looked = 0; looked < LOOKED_AT; looked++) this.#sweepOne()
  }

  /** Looks at the next page in turn, and takes it out of the index when it is dead. */
  #sweepOne(): void {
    const holders = this.#holders
    const at = this.#lookAt < holders.length ? this.#lookAt : 0
    const holder = holders[at] as Holder<Node>
    this.#lookAt = at + 1
    if (holder.weak?.deref() !== undefined) return
    for (const id of holder.ids) if (this.#index.get(id) === holder) this.#index.delete(id)
    holders[at] = holders[holders.length - 1] as Holder<Node>
    holders.pop()
    this.#lookAt = at
  }
}

function newHolder<Node extends CachedNode>(): Holder<Node> {
  return { ids: [], page: [], weak: undefined }
}
