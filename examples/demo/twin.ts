/** The same records in the pure JavaScript engine: how long its snapshots hold the event loop. */
import { open } from 'forkstore'
import { loadRecords } from './load-records.js'
import { PACKAGES, type FromTwin, type Package, type TwinOptions } from './model.js'
import { packageName } from './names.js'
import { startRole } from './role.js'

const role = startRole<TwinOptions, never, FromTwin>()
const { folder, entries, snapshots } = role.options
const store = await open(folder, { engine: 'js', snapshot: false, durability: 'snapshot' })
const packages = store.map<string, Package>(PACKAGES)
await loadRecords(
  packages,
  entries,
  (loaded, elapsedMs) => void role.send({ type: 'loading', loaded, elapsedMs }),
)

const pauseMs: number[] = []
for (let taken = 0; taken < snapshots; taken++) {
  packages.increment(packageName(taken), 'downloads') // something to save
  pauseMs.push((await store.snapshot()).pauseMs)
}
await role.send({ type: 'pauses', pauseMs })
await store.close()
process.disconnect()
