// Changes the compatibility data in the tree at random, takes snapshots all the time, and tells the parent
// (by IPC) which change each one begins with and which ones are acknowledged. It is there to be killed.
import { open } from '../../dist/index.js'
import { change, readCompatibilityData } from './real-data.mjs'

const [directory, engine] = process.argv.slice(2)
const store = await open(directory, { engine, snapshot: false })
const { root } = store
if (!('bcd' in root)) Object.assign(root, { bcd: readCompatibilityData(), changes: 0 })
let changes = root.changes
process.send({ opened: changes })

/** What is rolled back must leave no trace. */
function changeAndRegret(n) {
  const regret = new Error('regretted')
  try {
    store.transaction(() => {
      change(root.bcd, n, (part) => part)
      throw regret
    })
  } catch (error) {
    if (error !== regret) throw error
  }
}

for (;;) {
  for (let i = 0; i < 50; i++) {
    changes++
    if (changes % 5 === 0) changeAndRegret(changes + 1e6)
    change(root.bcd, changes, (part) => part)
    root.changes = changes
  }
  process.send({ requested: changes })
  const holds = changes
  await store.snapshot()
  process.send({ acknowledged: holds })
}
