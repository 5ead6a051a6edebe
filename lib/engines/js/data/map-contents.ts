import { dropped } from '../../../base/value-errors.js'
import type { Scopes } from '../../../collections/scopes.js'
import type { Key } from '../../../base/types.js'
import { OrderedMap, type Tally } from './ordered-map.js'
import type { JsTree } from './tree.js'
import type { Holder, TreeOwner } from './tree-reader.js'

/** What a map needs of its engine. */
export interface MapOwner extends TreeOwner, Scopes {
  readonly tree: JsTree
  /** Of all maps that there are. */
  readonly tally: Tally
}

/**
 * What a map holds, and whether it was dropped. The engine and the snapshot writer work with this; an
 * application only gets the map (map.ts).
 */
export class MapContents {
  /** Copies of the values. */
  stored: OrderedMap<Key, unknown>
  /**
   * Keys of the entries that JSON may not bring back as they are: written as tables (tagged.ts). Mostly few.
   */
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

  /** Never unmarked, not by a rollback either: a table can hold whatever JSON can. */
  markNotJson(key: Key): void {
    this.notJson.add(key)
  }

  /** Lets go of the data. REQUIRES: the owner is closed. */
  forget(): void {
    this.stored.clear()
    this.notJson.clear()
  }

  /**
   * While it is dropped, every use fails with ERR_FORKSTORE_DETACHED, also of live views of entries. A
   * rollback sets it back.
   */
  setDropped(isDropped: boolean): void {
    this.holder.isDropped = isDropped
    this.stored.countIn(isDropped ? undefined : this.#owner.tally)
    this.#owner.tree.recheckNodes()
  }

  /** Lets go of the data when the map is dropped for good, in one step. */
  release(): void {
    if (this.holder.isDropped) this.stored = new OrderedMap()
  }

  /** For iterators. */
  assertOpen(): void {
    this.#owner.assertOpen()
    if (this.holder.isDropped) throw dropped(this.name)
  }
}
