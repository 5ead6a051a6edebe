// Writes the history of model.mjs in batches of five writes, each batch in one turn, with snapshots going on, and
// tells through a pipe, synchronously, which write each batch ends with before it begins (r) and which commit() has
// acknowledged (a). It is there to be killed.
import { writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { open } from '../../dist/index.js'
import { applyWrite, BATCH } from './model.mjs'

const [engine, directory, durability, seed] = process.argv.slice(2)
const tell = (what, number) => writeSync(3, `${what} ${number}\n`)

let state = Number(seed)
const random = (below) => {
  state = (state * 48271) % 2147483647
  return state % below
}
const store = await open(directory, { engine, durability, maxBytes: 2 ** 30, snapshot: false })
const map = store.map('state')
let writes = map.get('writes') ?? 0
tell('o', writes)

let snapshots = 0
for (let batch = 0; ; batch++) {
  tell('r', writes + BATCH)
  for (let i = 0; i < BATCH; i++) applyWrite(map, ++writes)
  const holds = writes
  const committed = random(3) === 0 ? store.commit().then(() => tell('a', holds)) : undefined
  if (random(12) === 0 && snapshots < 2) {
    snapshots++
    store.snapshot().finally(() => snapshots--)
  }
  // Now and then several commits are under way; now and then many batches share a sync.
  if (random(2) === 0) await committed
  await turn()
}
