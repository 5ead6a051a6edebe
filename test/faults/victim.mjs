// Writes the history of model.mjs, takes snapshots all the time, and tells the parent (by IPC) which write
// each one begins with and which ones are acknowledged. It is there to be killed.
import { open } from '../../dist/index.js'
import { applyWrite } from './model.mjs'

const [directory, batch] = process.argv.slice(2)
const strategy = process.env.FORKSTORE_TEST_STRATEGY ?? 'fork'
const snapshot = { everyMs: 0, afterWrites: 0, everyLogBytes: 0, onClose: false, strategy }
const store = await open(directory, { engine: 'native', snapshot, durability: 'snapshot' })
const map = store.map('state')
let writes = map.get('writes') ?? 0
process.send({ opened: writes })

for (;;) {
  for (let i = 0; i < Number(batch); i++) applyWrite(map, ++writes)
  const holds = writes
  process.send({ requested: holds })
  try {
    const result = await store.snapshot()
    process.send({ acknowledged: holds, generation: result.generation })
  } catch (error) {
    process.send({ failed: error.code })
  }
}
