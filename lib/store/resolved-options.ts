import type { DurabilityMode, OpenProgress, SnapshotOptions } from '../base/types.js'

type WithoutNumber = 'afterWrites' | 'everyLogBytes' | 'maxCopiedBytes' | 'maxBytesPerSecond'

/** Where those are undefined, the size of the store says how much; `maxBytesPerSecond`: as fast as can be. */
export type ResolvedSnapshotOptions = Required<Omit<SnapshotOptions, WithoutNumber>> &
  Partial<Record<WithoutNumber, number | undefined>>

/** Options with every default filled in that does not depend on the store. */
export interface ResolvedOptions {
  maxBytes: number
  /** How few addresses will do; undefined: `maxBytes` was asked for, and must be had. */
  leastBytes: number | undefined
  engine: 'native' | 'js' | 'auto'
  snapshot: ResolvedSnapshotOptions
  /** Of a store with a path; one in memory has no log whatever this says. */
  durability: DurabilityMode
  salvage: boolean
  create: boolean
  closeOn: readonly NodeJS.Signals[]
  onProgress: ((progress: OpenProgress) => void) | undefined
  /** False after `snapshot: false`: no failed snapshot is tried again either. */
  isAutomatic: boolean
}
