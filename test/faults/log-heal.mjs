// A log that fails once more while it heals, just after it has healed, or whenever it tries to; under the shim, whose
// plan it sets itself, as only it knows the moment. Ends with a message that tells how it went.
import { openSync, readdirSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../../dist/index.js'

const [directory, moment] = process.argv.slice(2)
const plan = openSync(process.env.FORKSTORE_FAULT_PLAN, 'r+')
const FAIL_ONCE = 1
const FAIL_FOR_GOOD = 2
const EIO = 5
const ENOSPC = 28

/** In the layout of test/faults/shim.c. */
function arm(action, nth, error, call) {
  const bytes = Buffer.alloc(96)
  bytes.writeInt32LE(action, 4)
  bytes.writeInt32LE(error, 8)
  bytes.writeInt32LE(nth, 12)
  bytes.writeInt32LE(process.pid, 24)
  bytes.write(call, 64)
  writeSync(plan, bytes, 0, bytes.length, 0)
  writeSync(plan, Buffer.from([1, 0, 0, 0]), 0, 4, 0)
}
const disarm = () => writeSync(plan, Buffer.alloc(4), 0, 4, 0)
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
const codeOf = (promise) =>
  promise.then(
    () => 'done',
    (error) => error.code,
  )
const allocatedBytes = () =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .map((name) => statSync(join(directory, name), { throwIfNoEntry: false }))
    .reduce((sum, entry) => sum + (entry?.blocks ?? 0) * 512, 0)

// No snapshots of its own accord: those that heal are taken all the same.
const store = await open(directory, { engine: 'native', snapshot: false, maxBytes: 2 ** 30 })
let snapshots = 0
store.on('warning', () => {})
store.on('snapshot-error', () => {})
store.on('snapshot', () => snapshots++)
const map = store.map('m')
const state = () => store.stats().log.state

/** The snapshot that heals has its segment, and is being written, which takes a while. */
async function untilHealing() {
  for (let i = 0; i < 100_000; i++) map.set(i, { text: 'x'.repeat(1000) })
  await store.commit()
  await sleep(100)
  arm(FAIL_ONCE, 1, EIO, 'fdatasync')
  map.set('first', 1)
  const code = await codeOf(store.commit())
  const { segments } = store.stats().log
  while (state() !== 'healing' || store.stats().log.segments === segments) await sleep(1)
  return code
}

const told = []
if (moment === 'while healing') {
  told.push(await untilHealing())
  arm(FAIL_ONCE, 1, EIO, 'fdatasync')
  map.set('second', 2)
  told.push(await codeOf(store.commit()), state())
  disarm()
} else if (moment === 'after healing') {
  told.push(await untilHealing())
  // Nobody looks while the snapshot ends and what is written now fails, a second from now.
  map.set('second', 2)
  await new Promise((done) => setImmediate(done))
  await new Promise((done) => setImmediate(done))
  arm(FAIL_ONCE, 2, EIO, 'fdatasync')
  for (const end = Date.now() + 2500; Date.now() < end; );
  told.push(state())
  disarm()
} else {
  map.set('first', 1)
  await store.commit()
  arm(FAIL_ONCE, 1, EIO, 'fdatasync')
  map.set('second', 2)
  told.push(await codeOf(store.commit()))
  arm(FAIL_FOR_GOOD, 1, ENOSPC, 'pwritev')
  for (let tries = 0; tries < 8; tries++) {
    await codeOf(store.snapshot())
    await sleep(20)
  }
  told.push(state(), Math.round(allocatedBytes() / 2 ** 20))
  disarm()
  await store.snapshot() // of itself it would try again in a minute
}

const start = Date.now()
while (state() !== 'healthy' && Date.now() - start < 30_000) await sleep(20)
told.push(state())
map.set('last', 3)
told.push(await codeOf(store.commit()))
await store.close()
process.send({ told, snapshots }, () => {
  if (process.connected) process.disconnect()
})
