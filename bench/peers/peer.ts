import type { Customer } from '../lib/records.js'
import type { Options } from '../lib/benchmark.js'

/**
 * A key-value store in this process, one operation at a time as requests come: what is written is there
 * for the next read.
 */
export interface Peer {
  get(key: string): Customer | undefined
  has(key: string): boolean
  set(key: string, record: Customer): void
  delete(key: string): void
  /** Walks over at most `most` entries, reading every field; how many there were. */
  iterate(most: number): number
  clear(): void
  /** Does many writes as one transaction; where this is missing there are none. Only used to insert. */
  transaction?(writes: () => void): void
  close(): Promise<void> | void
}

export type OpenPeer = (folder: string, options: Options) => Promise<Peer> | Peer

/** Each in a module of its own, loaded only when it is measured: one that does not build stops no other. */
const peers: Record<string, () => Promise<{ open: OpenPeer }>> = {
  nothing: () => import('./nothing.js'),
  map: () => import('./map.js'),
  forkstore: () => import('./forkstore.js'),
  megahash: () => import('./megahash.js'),
  lmdb: () => import('./lmdb.js'),
  sqlite: () => import('./sqlite.js'),
}

export async function openPeer(name: string, folder: string, options: Options): Promise<Peer> {
  const load = peers[name]
  if (load === undefined) throw new Error(`no such contender: ${name}`)
  return (await load()).open(folder, options)
}
