import { ForkstoreError } from '../../../base/errors.js'
import { setImmediate } from '../../../base/timers.js'
import { takeItems } from '../../../views/taken-items.js'
import type { NativeStore } from '../binding.js'
import { errorFromCode } from '../errors.js'
import type { Packer } from './packer.js'

/** Lists that are held at a time: each keeps others waiting for the memory that it takes. */
const MOST_LISTS = 64
/** The most items that the store gives at once, and what an idle step reads. */
const ITEMS_AT_ONCE = 512
const FULL = -1
const TOO_LARGE = -6

/** Items that have left an array and that nobody has looked at. */
export class HeldList {
  /** The store's; 0: they have not left, or are all read. */
  number = 0
  /** How many of them are in the array, holes not counted. */
  taken = 0
  /** Why the rest of them cannot be had. */
  error: ForkstoreError | undefined
  /** Where they go: whoever has its Proxy keeps it alive. */
  items: WeakRef<unknown[]> | undefined
}

/**
 * What `splice` has removed and the store holds (native/data/tree/held_items.h), until it is looked at,
 * nobody has it any more, or it has been read in idle steps: so that neither the memory that it takes, nor
 * what waits for it, lasts long.
 */
export class HeldItems {
  readonly #store: NativeStore
  readonly #packer: Packer
  readonly #lists = new Set<HeldList>()
  readonly #indexes = new Float64Array(ITEMS_AT_ONCE)
  readonly #unreachable = new FinalizationRegistry<HeldList>((list) => this.end(list))

  constructor(store: NativeStore, packer: Packer) {
    this.#store = store
    this.#packer = packer
  }

  get isEmpty(): boolean {
    return this.#lists.size === 0
  }

  get hasRoom(): boolean {
    return this.#lists.size < MOST_LISTS
  }

  /**
   * A list for so many items that are about to leave, and what stands for them. Whatever may fail is done
   * here: when they have left, all that follows is to set `number`.
   */
  begin(length: number): { list: HeldList; view: unknown[] } {
    const list = new HeldList()
    const { view, items } = takeItems(length, (target) => this.#readAll(list, target))
    list.items = new WeakRef(items)
    this.#unreachable.register(items, list)
    this.#lists.add(list)
    return { list, view }
  }

  /** Nothing of it will be read any more. */
  end(list: HeldList): void {
    if (list.number !== 0) this.#store.dropHeld(list.number)
    list.number = 0
    this.#lists.delete(list)
  }

  /** Reads some items in the background; true when there is nothing to read, or no memory for it now. */
  step(): boolean {
    for (const list of this.#lists) {
      const items = list.number === 0 ? undefined : list.items?.deref()
      if (items === undefined) {
        this.end(list)
        continue
      }
      try {
        this.#read(list, items)
      } catch (error) {
        if (!(error instanceof ForkstoreError)) throw error
        return true
      }
      break
    }
    return this.isEmpty
  }

  /** Before the store is closed: reads all that somebody may still look at, some at a time. */
  async drain(): Promise<void> {
    while (!this.isEmpty) {
      const isStuck = this.step() && !this.isEmpty
      if (isStuck) for (const list of this.#lists) this.#fail(list)
      await new Promise((done) => setImmediate(done))
    }
  }

  #readAll(list: HeldList, items: unknown[]): void {
    while (list.number !== 0) this.#read(list, items)
    if (list.error !== undefined) throw list.error
  }

  /** Reads what the store gives at once. What fails in between is read again by the next call. */
  #read(list: HeldList, items: unknown[]): void {
    let bytes = this.#store.readHeld(list.number, list.taken, ITEMS_AT_ONCE, this.#indexes)
    if (bytes === FULL) bytes = this.#store.readHeld(list.number, list.taken, 1, this.#indexes)
    if (bytes === FULL) throw this.#failure()
    if (bytes < 0) {
      this.#fail(list)
      return
    }
    const count = this.#store.result[0] as number
    if (count === 0) {
      this.end(list)
      return
    }
    const values = this.#packer.decode(bytes) as unknown[]
    for (let at = 0; at < count; at++) items[this.#indexes[at] as number] = values[at]
    list.taken += count
  }

  #fail(list: HeldList): void {
    list.error = this.#failure()
    this.end(list)
  }

  #failure(): ForkstoreError {
    return errorFromCode(-TOO_LARGE, `items that were removed: ${this.#store.lastMessage()}`)
  }
}
