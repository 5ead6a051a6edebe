import { join } from 'node:path'
import { open as openStore } from '../lib/forkstore.js'
import { turn } from '../lib/machine.js'
import { keyOf, recordOf, type Customer } from '../lib/records.js'
import type { OpenCommitter } from './committer.js'

/** Of a record in the log (docs/format.md, section 7); `appendedBytes` does not count it. */
const recordHeaderBytes = 48

/** The handlers' own `commit()` asks for the sync; the mode is the default. */
export const open: OpenCommitter = async (folder, { engine }) => {
  const store = await openStore(join(folder, 'store'), { engine, snapshot: false, durability: 'everysec' })
  const map = store.map<string, Customer>('customers')
  const log = () => {
    const stats = store.stats().log
    if (stats === undefined) throw new Error('there is no log')
    return stats
  }
  let before = log()
  return {
    async fill(entries) {
      for (let i = 0; i < entries; i++) {
        map.set(keyOf(i), recordOf(i))
        if (i % 1000 === 0) await turn()
      }
      await store.commit()
      before = log()
    },
    write(key, record) {
      map.set(key, record)
      return store.commit()
    },
    bytesPerWrite() {
      const now = log()
      const batches = now.batches - before.batches
      return Math.round((now.appendedBytes - before.appendedBytes) / batches) + recordHeaderBytes
    },
    syncs: () => log().syncs,
    close: () => store.close(),
  }
}
