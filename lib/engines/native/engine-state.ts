import type { Decoder } from './codec/decoder.js'
import type { Scopes } from '../../collections/scopes.js'
import type { Operation } from './codec/operation.js'

/** What maps, the tree and queries know of the engine that they belong to. */
export interface EngineState extends Scopes {
  readonly operation: Operation
  readonly decoder: Decoder
  /** Another number after every change, of whatever it may be. */
  changes: number
  /** As `result[4]` was last: another number when records may have moved although no map has changed. */
  readonly moved: number
  /** How often a scope was taken back. */
  readonly rollbacks: number
  /** Called after every successful write. */
  onWrite: () => void
  /** Called after an entry was made nodes for a live view. */
  onAdopt: () => void
  /** Throws when the store is closed to its users. */
  check(): void
}
