// Writes the history of model.mjs, to a map and to the tree, in batches of five writes, each batch in one
// turn, some in a transaction, some beside one that is taken back, with snapshots going on; and tells through
// a pipe, synchronously, which write each batch ends with before it begins (r) and which commit() has
// acknowledged (a). It is there to be killed.
//
// `how`: 'write' goes on for ever; 'open' ends, without closing, once it is open (o); 'close' writes a few batches,
// commits, waits for a byte on its input and closes (c). 'give up' opens without a log, 'salvage' with salvaging.
import { readSync, writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { open } from '../../dist/index.js'
import { applyTreeWrite, applyWrite, BATCH } from './model.mjs'

const [how, engine, directory, durability, seed] = process.argv.slice(2)
const tell = (what, number) => writeSync(3, `${what} ${number}\n`)

let state = Number(seed)
const random = (below) => {
  state = (state * 48271) % 2147483647
  return state % below
}
const store = await open(directory, {
  engine,
  durability: how === 'give up' ? 'snapshot' : durability,
  maxBytes: 2 ** 30,
  snapshot: how === 'close' && { everyMs: 0, afterWrites: 0 },
  ...(how === 'salvage' && { recover: 'salvage' }),
})
store.on('recovered', () => {})
const map = store.map('state')
let writes = map.get('writes') ?? 0
tell('o', writes)
if (how !== 'write' && how !== 'close') process.kill(process.pid, 'SIGKILL')

function writeOne() {
  writes++
  applyWrite(map, writes)
  applyTreeWrite(store.root, writes)
}

function writeBatch() {
  const kind = random(4)
  if (kind === 1) takenBack()
  if (kind === 2) {
    store.transaction(() => {
      for (let i = 0; i < BATCH; i++) writeOne()
      takenBack()
    })
  } else {
    for (let i = 0; i < BATCH; i++) writeOne()
  }
  if (kind === 3) takenBack()
}

/** Changes everything there is, and leaves no trace. */
function takenBack() {
  const before = new Error('taken back')
  try {
    store.transaction(() => {
      map.set('wrong', { wrong: [writes] })
      map.clear()
      store.root.wrong = { writes }
      delete store.root.items
      store.root.list?.reverse()
      throw before
    })
  } catch (error) {
    if (error !== before) throw error
  }
}

let snapshots = 0
for (let batch = 0; how === 'write' || batch < 5; batch++) {
  tell('r', writes + BATCH)
  writeBatch()
  const holds = writes
  const committed = random(3) === 0 ? store.commit().then(() => tell('a', holds)) : undefined
  if (how === 'write' && random(12) === 0 && snapshots < 2) {
    snapshots++
    store.snapshot().finally(() => snapshots--)
  }
  // Now and then several commits are under way; now and then many batches share a sync.
  if (random(2) === 0) await committed
  await turn()
}
await store.commit()
tell('a', writes)
readSync(0, Buffer.alloc(1))
await store.close()
tell('c', writes)
