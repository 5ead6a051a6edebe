import type { Place, Scan } from '../../../contract/tree-engine.js'
import type { Key } from '../../../base/types.js'
import { slotNode, type Decoder } from '../codec/decoder.js'
import type { PackedTree } from '../tree/packed.js'
import type { NativeTree } from '../tree/tree.js'
import { RecordCursor, type IterationSource } from './iterator.js'

/** The entries that a map has now, for queries: containers are views that can only be read. */
export class MapRows implements Scan {
  readonly #cursor: RecordCursor
  #key: Key | undefined

  constructor(
    readonly engine: { readonly decoder: Decoder; readonly tree: NativeTree; readonly packed: PackedTree },
    readonly place: Place,
    source: IterationSource,
  ) {
    source.check()
    this.#cursor = new RecordCursor(source, source.handle.nextSequence())
  }

  next(): boolean {
    this.#key = undefined
    return this.#cursor.step()
  }

  name(): Key {
    return (this.#key ??= this.engine.decoder.recordKey(this.#cursor.record))
  }

  value(): unknown {
    const { engine, place } = this
    const { decoder, tree, packed } = engine
    const slot = decoder.recordSlot(this.#cursor.record)
    const name = this.name()
    const window = decoder.lastingWindow(slot)
    const id = slotNode(window, slot - window.base)
    // An adopted entry: what its nodes show.
    if (id !== 0) return packed.value(tree.packedWindow(id), 0, place, name)
    return packed.value(window, slot - window.base, place, name)
  }
}
