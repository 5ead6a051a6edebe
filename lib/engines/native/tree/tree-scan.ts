import { Newcomers, type MemberLog } from '../../../views/member-log.js'
import { NameScan } from '../../../views/name-scan.js'
import type { Place, Scan, TreeEngine } from '../../../contract/tree-engine.js'
import type { Key } from '../../../base/types.js'
import type { NativeStore } from '../binding.js'
import type { Decoder } from '../codec/decoder.js'
import type { NativeArray, NativeNode, NativeObject } from './node.js'
import type { Places } from './places.js'

/** What the scans need of the tree. */
export interface ScannedTree extends TreeEngine {
  readonly store: NativeStore
  readonly decoder: Decoder
  readonly places: Places
  readonly log: MemberLog<number>
  /** See `TreeReader.foreign`. */
  readonly foreign: number
  writes(node: NativeNode): number
  isTable(node: NativeObject): boolean
  nextSequence(node: NativeObject): number
  valueAt(offset: number, parent: Place, step: Key): unknown
}

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
    protected readonly tree: ScannedTree,
    protected readonly node: Node,
    /** Numbers for one place. */
    readonly width: 1 | 2 = 1,
  ) {
    this.batch = new Float64Array(LEAST_BATCH * width)
    tree.places.locate(node)
  }

  /**
   * Fills `batch` with the places from the next one on; how many. REQUIRES: at + 1 === count or something changed.
   */
  protected abstract refill(): number

  abstract next(): boolean
  abstract name(): Key
  abstract value(): unknown

  /** Steps to the next place; false when there is none. */
  protected step(): boolean {
    const { tree, node, width } = this
    tree.places.locate(node)
    const isChanged =
      this.#epoch !== node.epoch || this.#writes !== tree.writes(node) || this.#foreign !== tree.foreign
    if (!isChanged && ++this.at < this.count) return true
    if (isChanged) {
      // A loop that writes makes every batch worthless after one member: fetch few.
      if (this.batch.length > LEAST_BATCH * width) this.batch = new Float64Array(LEAST_BATCH * width)
      this.#epoch = node.epoch
      this.#writes = tree.writes(node)
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

/** The members that a TABLE has now, by the sequence of their records. */
export class TableScan extends BatchScan<NativeObject> {
  readonly #newcomers: Newcomers<number>
  /** Names that are no indexes and come later have this sequence number or higher ones. */
  readonly #end: number
  #from = 0
  #name: string | undefined
  /** What is left, when a rollback has made the object what it was before it became a table. */
  #rest: NameScan<number> | undefined

  constructor(tree: ScannedTree, node: NativeObject) {
    super(tree, node)
    this.#newcomers = new Newcomers(tree.log, node.id)
    this.#end = tree.nextSequence(node)
  }

  next(): boolean {
    return this.#rest === undefined ? this.#nextRecord() : this.#rest.next()
  }

  #nextRecord(): boolean {
    const { decoder } = this.tree
    while (this.step()) {
      const record = this.batch[this.at] as number
      const sequence = decoder.recordSequence(record)
      if (sequence >= this.#end) return false
      this.#from = sequence + 1
      this.#name = undefined
      if (!this.#newcomers.isAny || !this.#newcomers.has(this.name())) return true
    }
    // The last step may have found that it is no table any more.
    return this.#rest !== undefined && this.next()
  }

  name(): string {
    if (this.#rest !== undefined) return this.#rest.name()
    return (this.#name ??= this.tree.decoder.recordKey(this.batch[this.at] as number) as string)
  }

  value(): unknown {
    const { tree } = this
    if (this.#rest !== undefined) return this.#rest.value()
    return tree.valueAt(tree.decoder.recordSlot(this.batch[this.at] as number), this.node, this.name())
  }

  protected refill(): number {
    const { tree, node } = this
    if (tree.isTable(node)) return tree.store.scanTable(tree.places.block(node), this.#from, this.batch)
    const names = tree.names(node)
    const last = this.#name === undefined ? -1 : names.indexOf(this.#name)
    this.#rest = new NameScan(tree, node, names.slice(last + 1), this.#newcomers)
    return 0
  }
}

/** The items of an array that are no holes, up to where it ends now. */
export class ItemScan extends BatchScan<NativeArray> {
  readonly #end: number
  #from: number

  constructor(tree: ScannedTree, node: NativeArray, from: number) {
    super(tree, node, 2)
    this.#end = tree.length(node)
    this.#from = from
  }

  next(): boolean {
    if (!this.step() || this.name() >= this.#end) return false
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
