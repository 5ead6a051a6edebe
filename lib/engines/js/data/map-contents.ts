import { dropped } from '../../../base/value-errors.js'
import type { Scopes } from '../../../collections/scopes.js'
import type { Key } from '../../../base/types.js'
import { OrderedMap, type Tally } from './ordered-map.js'
import type { Holder, JsTree, TreeOwner } from './tree.js'

/** What a map needs of its engine. */
export interface MapOwner extends TreeOwner, Scopes {
  readonly tree: JsTree
  /** Of all maps that there are. */
  readonly tally: Tally
}

/**
 * What a map holds, and whether it is there: for the engine and the snapshot writer. An application has the
 * map only.
 */
export class MapContents {
  /** Copies of the values. */
  stored: OrderedMap<Key, unknown>
  /** Keys of the entries that JSON alone would not bring back; mostly few or none. */
  readonly notJson: Set<Key>
  /** The map as the place of its entries. */
  readonly holder: Holder
  readonly #owner: MapOwner

  constructor(
    readonly name: string,
    owner: MapOwner,
    stored = new OrderedMap<Key, unknown>(),
    notJson = new Set<Key>(),
  ) {
    this.#owner = owner
    this.stored = stored
    this.notJson = notJson
    stored.countIn(owner.tally)
    this.holder = {
      parent: undefined,
      step: name,
      isDropped: false,
      changed: (key) => this.markNotJson(key),
    }
  }

  /** Whatever was changed there: tables can say it. Not taken back: they can say what JSON can, too. */
  markNotJson(key: Key): void {
    this.notJson.add(key)
  }

  /** Lets go of the data. REQUIRES: the owner is closed. */
  forget(): void {
    this.stored.clear()
    this.notJson.clear()
  }

  /** Every use fails with ERR_FORKSTORE_DETACHED from now on, also of live views of entries; or no longer. */
  setDropped(isDropped: boolean): void {
    this.holder.isDropped = isDropped
    this.stored.countIn(isDropped ? undefined : this.#owner.tally)
    this.#owner.tree.left()
  }

  /** Lets go of the data when the map is dropped for good, in one step. */
  release(): void {
    if (this.holder.isDropped) this.stored = new OrderedMap()
  }

  /** For whoever goes through the entries. */
  assertOpen(): void {
    this.#owner.assertOpen()
    if (this.holder.isDropped) throw dropped(this.name)
  }
}
