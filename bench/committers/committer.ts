import type { Options } from '../lib/benchmark.js'
import type { Customer } from '../lib/records.js'

/** A store that says when a write is on disk. */
export interface Committer {
  /** Many records at once, as each does it best. All are on disk in the end. */
  fill(entries: number): Promise<void>
  /** Writes one record; resolves when it is on disk, as an HTTP handler awaits before it answers. */
  write(key: string, record: Customer): Promise<void>
  /** What a write appends to the disk, in bytes, with all framing; where it is known. */
  bytesPerWrite?(): number
  /** Of its own count; for a check that none was left out. */
  syncs?(): number
  close(): Promise<void>
}

export type OpenCommitter = (folder: string, options: Options) => Promise<Committer> | Committer

/** Each in a module of its own, loaded only when it is measured: one that does not build stops no other. */
const committers: Record<string, () => Promise<OpenCommitter>> = {
  forkstore: async () => (await import('./forkstore.js')).open,
  redis: async () => (await import('./redis.js')).openPipelined,
  'redis-connections': async () => (await import('./redis.js')).openConnections,
  lmdb: async () => (await import('./lmdb.js')).open,
  'lmdb-in-turn': async () => (await import('./lmdb.js')).openInTurn,
  sqlite: async () => (await import('./sqlite.js')).open,
  'sqlite-batched': async () => (await import('./sqlite.js')).openBatched,
}

export const names = Object.keys(committers)

export async function openCommitter(name: string, folder: string, options: Options): Promise<Committer> {
  const load = committers[name]
  if (load === undefined) throw new Error(`no such contender: ${name}`)
  return (await load())(folder, options)
}
