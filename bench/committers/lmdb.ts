import { open as openLmdb } from 'lmdb'
import { join } from 'node:path'
import { keyOf, recordOf, type Customer } from '../lib/records.js'
import type { Committer } from './committer.js'

/**
 * Puts of one turn of the event loop are one transaction, on a thread of its own: lmdb's default, and its advice.
 * `overlappingSync`, the default too, syncs after the transaction; `flushed` is what tells of that.
 */
function openDatabase(folder: string, overlappingSync: boolean): Committer {
  const database = openLmdb<Customer, string>({
    path: join(folder, 'lmdb'),
    mapSize: 16 * 2 ** 30,
    overlappingSync,
  })

  async function write(key: string, record: Customer): Promise<void> {
    await database.put(key, record)
    if (overlappingSync) await database.flushed
  }

  return {
    async fill(entries) {
      let last: Promise<boolean> | undefined
      for (let i = 0; i < entries; i++) last = database.put(keyOf(i), recordOf(i))
      await last
      await database.flushed
    },
    write,
    close: () => database.close(),
  }
}

export const open = (folder: string): Committer => openDatabase(folder, true)
/** Each transaction is synced before it is told of, and before the next. */
export const openInTurn = (folder: string): Committer => openDatabase(folder, false)
