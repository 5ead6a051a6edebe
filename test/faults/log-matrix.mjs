// Writes batches and commits them under a plan that the parent sets, one call after another failing; runs in
// a process of its own, under the shim. Commands come by IPC, answers go back.
import { open } from '../../dist/index.js'
import { applyWrite, BATCH } from './model.mjs'

const [directory, durability] = process.argv.slice(2)
const store = await open(directory, {
  engine: 'native',
  durability,
  maxBytes: 2 ** 30,
  snapshot: { everyMs: 0, afterWrites: 0, watchdogMs: 1500, strategy: 'fork' },
})
const map = store.map('state')
let writes = map.get('writes') ?? 0
const warnings = []
store.on('warning', (warning) => warnings.push(warning.code))
store.on('snapshot-error', () => {})

/** One batch. In a read-only store its first write is refused. */
function writeBatch() {
  for (let i = 0; i < BATCH; i++) {
    try {
      applyWrite(map, writes + 1)
    } catch (error) {
      if (i > 0) throw new Error('refused in the middle of a turn', { cause: error })
      return error.code
    }
    writes++
  }
  return undefined
}

const codeOf = (promise) =>
  promise.then(
    () => undefined,
    (error) => error.code,
  )

process.on('message', async (command) => {
  if (command === 'close') {
    const code = await codeOf(store.close())
    process.send({ code }, () => process.disconnect())
    return
  }
  const refused = writeBatch()
  let code
  if (command === 'commit') code = await codeOf(store.commit())
  if (command === 'snapshot') code = await codeOf(store.snapshot())
  process.send({ writes, refused, code, log: store.stats().log, warnings: warnings.splice(0) })
})
process.send({ ready: true })
