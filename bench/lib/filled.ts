import { join } from 'node:path'
import { open, type ForkstoreMap, type Store } from './forkstore.js'
import type { Options } from './benchmark.js'
import { settle, turn } from './machine.js'
import { keyOf, recordOf, type Customer } from './records.js'

export interface Filled {
  store: Store
  map: ForkstoreMap<string, Customer>
  entries: number
}

/** A store whose data takes `mebibytes` of memory. */
export async function openFilled(folder: string, mebibytes: number, { engine }: Options): Promise<Filled> {
  const store = await open(join(folder, 'store'), { engine, snapshot: false, durability: 'snapshot' })
  if (store.stats().engine === 'js') throw new Error('sizes in MiB are of the native engine')
  const map = store.map<string, Customer>('customers')
  let entries = 0
  while (store.stats().bytes.mapped < mebibytes * 2 ** 20) {
    for (const end = entries + 2000; entries < end; entries++) map.set(keyOf(entries), recordOf(entries))
    await turn()
  }
  await settle(1000)
  return { store, map, entries }
}
