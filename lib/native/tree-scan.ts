import { ABSENT, type Scan } from '../tree/tree-engine.js'
import type { Key } from '../types.js'
import type { NativeArray, NativeObject } from './node.js'
import type { NativeTree } from './tree.js'

const LEAST_BATCH = 8
const MOST_BATCH = 256

/** A place in a large object or array: places of some members are fetched at a time, and again after changes. */
abstract class BatchScan<Node extends NativeArray | NativeObject> implements Scan {
  protected batch: Float64Array
  protected at = -1
  protected count = 0
  #epoch: object | undefined
  #writes = 0
  #foreign = 0

  constructor(
    protected readonly tree: NativeTree,
    protected readonly node: Node,
    /** Numbers for one place. */
    readonly width: 1 | 2 = 1,
  ) {
    this.batch = new Float64Array(LEAST_BATCH * width)
    tree.places.locate(node)
  }

  /** Fills `batch` with the places from the next one on; how many. REQUIRES: at + 1 === count or something changed. */
  protected abstract refill(): number

  abstract next(): boolean
  abstract name(): Key
  abstract value(): unknown

  /** Steps to the next place; false when there is none. */
  protected step(): boolean {
    const { tree, node, width } = this
    tree.places.locate(node)
    const isChanged =
      this.#epoch !== node.epoch || this.#writes !== node.writes || this.#foreign !== tree.foreign
    if (!isChanged && ++this.at < this.count) return true
    if (isChanged) {
      // A loop that writes makes every batch worthless after one member: fetch few.
      if (this.batch.length > LEAST_BATCH * width) this.batch = new Float64Array(LEAST_BATCH * width)
      this.#epoch = node.epoch
      this.#writes = node.writes
      this.#foreign = tree.foreign
    } else if (this.count * width < this.batch.length) {
      return false
    } else if (this.batch.length < MOST_BATCH * width) {
      this.batch = new Float64Array(4 * this.batch.length)
    }
    this.at = 0
    this.count = this.refill()
    return this.count > 0
  }
}

/** The members of a TABLE, by the sequence of their records. */
export class TableScan extends BatchScan<NativeObject> {
  #from = 0
  #name: string | undefined

  next(): boolean {
    if (!this.step()) return false
    this.#name = undefined
    this.#from = this.tree.decoder.recordSequence(this.batch[this.at] as number) + 1
    return true
  }

  name(): string {
    return (this.#name ??= this.tree.decoder.recordKey(this.batch[this.at] as number) as string)
  }

  value(): unknown {
    const { tree } = this
    return tree.valueAt(tree.decoder.recordSlot(this.batch[this.at] as number), this.node, this.name())
  }

  protected refill(): number {
    return this.tree.store.scanTable(this.tree.places.block(this.node), this.#from, this.batch)
  }
}

/** The items of an array that are no holes. */
export class ItemScan extends BatchScan<NativeArray> {
  #from: number

  constructor(tree: NativeTree, node: NativeArray, from: number) {
    super(tree, node, 2)
    this.#from = from
  }

  next(): boolean {
    if (!this.step()) return false
    this.#from = this.name() + 1
    return true
  }

  name(): number {
    return this.batch[2 * this.at] as number
  }

  value(): unknown {
    return this.tree.valueAt(this.batch[2 * this.at + 1] as number, this.node, this.name())
  }

  protected refill(): number {
    return this.tree.store.scanItems(this.tree.places.block(this.node), this.#from, this.batch)
  }
}

/** The members of a small object. */
export class NameScan implements Scan {
  readonly #names: string[]
  #at = -1

  constructor(
    readonly tree: NativeTree,
    readonly node: NativeObject,
  ) {
    this.#names = tree.names(node)
  }

  next(): boolean {
    const { tree, node } = this
    while (++this.#at < this.#names.length) if (tree.has(node, this.name())) return true
    return false
  }

  name(): string {
    return this.#names[this.#at] as string
  }

  value(): unknown {
    const value = this.tree.get(this.node, this.name())
    return value === ABSENT ? undefined : value
  }
}
