import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { open } from './lib/forkstore.js'
import { collect, settle, timeOfFullCollection, turn, withFolder } from './lib/machine.js'
import { keyOf, recordOf, type Customer } from './lib/records.js'
import { openPeer, type Peer } from './peers/peer.js'

export const benchmark: Benchmark = {
  name: 'memory',
  title: 'memory of a record, and a full garbage collection with all of them in place',
  cases: (options) =>
    cross(['map', 'forkstore', 'megahash', 'sqlite'], [1_000_000], options).concat(
      options.entries === undefined ? cross(['map', 'forkstore'], [5_000_000], options) : [],
    ),
  rounds: ({ contender, entries = 0 }) =>
    entries > 1_000_000 || contender === 'megahash' || contender === 'sqlite' ? 1 : 3,
}

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    // As much garbage as the filling makes, so that the young generation has its size before we look.
    let made = 0
    for (let i = 0; i < 1_000_000; i++) made += keyOf(i).length + recordOf(i).email.length
    if (made === 0) throw new Error('nothing was made')
    await settle()
    const before = usage()
    const emptyCollectionMs = timeOfFullCollection()

    const store = contender === 'forkstore' ? await open({ engine: options.engine }) : undefined
    const map = store?.map<string, Customer>('customers')
    const peer: Pick<Peer, 'get' | 'set'> = map ?? (await openPeer(contender, folder, options))
    for (let i = 0; i < entries; i++) {
      peer.set(keyOf(i), recordOf(i))
      if (i % 10_000 === 0) await turn()
    }
    await settle(500)
    const collectionMs = timeOfFullCollection()
    const after = usage()
    // A use after the measurement: what nobody will use again is garbage, however large.
    if (peer.get(keyOf(entries - 1)) === undefined) throw new Error('a record is missing')
    const live = store?.stats().bytes.live
    await store?.close()
    return {
      metrics: {
        residentPerRecordBytes: (after.resident - before.resident) / entries,
        heapPerRecordBytes: (after.heap - before.heap) / entries,
        ...(live === undefined ? {} : { arenaPerRecordBytes: live / entries }),
        emptyCollectionMs,
        collectionMs,
      },
    }
  })

function usage(): { resident: number; heap: number } {
  collect()
  const { rss, heapUsed } = process.memoryUsage()
  return { resident: rss, heap: heapUsed }
}
