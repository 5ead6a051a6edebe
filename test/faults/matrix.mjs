// Takes snapshots under a plan that the parent sets, one call after another failing; runs in a process of
// its own, under the shim. Commands come by IPC, answers go back.
import { open } from '../../dist/index.js'
import { applyWrite } from './model.mjs'

const [directory] = process.argv.slice(2)
const store = await open(directory, {
  engine: 'native',
  durability: 'snapshot',
  snapshot: { everyMs: 0, afterWrites: 0, watchdogMs: 1500, strategy: 'fork' },
})
const map = store.map('state')
let writes = map.get('writes') ?? 0
let errors = 0
store.on('snapshot-error', () => errors++)

process.on('message', async (command) => {
  if (command === 'close') {
    await store.close()
    process.disconnect()
    return
  }
  for (let i = 0; i < 10; i++) applyWrite(map, ++writes)
  const before = errors
  try {
    const result = await store.snapshot()
    process.send({ writes, generation: result.generation })
  } catch (error) {
    process.send({ writes, code: error.code, cause: String(error.cause), events: errors - before })
  }
})
process.send({ ready: true })
