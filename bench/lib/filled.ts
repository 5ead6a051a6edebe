import { join } from 'node:path'
import type { Histogram } from 'hdr-histogram-js'
import {
  open,
  snapshotsOnRequest,
  type ForkstoreMap,
  type SnapshotResult,
  type Store,
  type Strategy,
} from './forkstore.js'
import type { Options } from './benchmark.js'
import { settle, turn } from './machine.js'
import { keyOf, RandomIndex, recordOf, type Customer } from './records.js'
import { newHistogram, record } from './statistics.js'

export interface Filled {
  store: Store
  map: ForkstoreMap<string, Customer>
  entries: number
}

/** A store whose data takes `mebibytes` of memory. */
export async function openFilled(
  folder: string,
  mebibytes: number,
  { engine }: Options,
  strategy: Strategy = 'auto',
): Promise<Filled> {
  // Writes without a pause touch every page within seconds: copies may take as much as a fork may.
  const snapshot = { ...snapshotsOnRequest(strategy), maxCopiedBytes: mebibytes * 2 ** 20 }
  const store = await open(join(folder, 'store'), { engine, snapshot, durability: 'snapshot' })
  if (store.stats().engine === 'js') throw new Error('sizes in MiB are of the native engine')
  const map = store.map<string, Customer>('customers')
  const entries = await fillTo(store, map, mebibytes)
  await settle(1000)
  return { store, map, entries }
}

/** Sets records until the store's data takes so much memory; how many. */
export async function fillTo(
  store: Store,
  map: ForkstoreMap<string, Customer>,
  mebibytes: number,
): Promise<number> {
  let entries = 0
  while (store.stats().bytes.mapped < mebibytes * 2 ** 20) {
    for (const end = entries + 2000; entries < end; entries++) map.set(keyOf(entries), recordOf(entries))
    await turn()
  }
  return entries
}

export function strategyOf(contender: string): Strategy {
  return contender === 'forkstore copy' ? 'copy' : 'fork'
}

/** A snapshot while records are set at random, all the time; how long each `set` took. */
export async function snapshotAmongWrites({ store, map, entries }: Filled): Promise<{
  result: SnapshotResult
  setMs: Histogram
}> {
  const index = new RandomIndex(entries)
  const setMs = newHistogram()
  let isRunning = true
  const snapshot = store.snapshot().finally(() => (isRunning = false))
  while (isRunning) {
    for (let i = 0; i < 200; i++) {
      const one = index.next()
      const key = keyOf(one)
      const value = recordOf(one, i)
      const start = performance.now()
      map.set(key, value)
      record(setMs, performance.now() - start)
    }
    await turn()
  }
  return { result: await snapshot, setMs }
}
