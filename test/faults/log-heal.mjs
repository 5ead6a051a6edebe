// A log that fails once more while it heals, just after it has healed, or whenever it tries to; under the
// shim, whose plan it sets itself, as only it knows the moment. Ends with a message that tells how it went.
import { openSync, readdirSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../../dist/index.js'

const [directory, moment] = process.argv.slice(2)
const plan = openSync(process.env.FORKSTORE_FAULT_PLAN, 'r+')
const HOLD_CHILD = 1
const HOLD_LOG = 2
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
const hold = (whom) => writeSync(plan, Buffer.from([whom, 0, 0, 0]), 0, 4, 96)
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** Until `condition()` gives true, however slow the disk is. */
async function until(what, condition) {
  for (const end = Date.now() + 50_000; !condition(); await sleep(1)) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`)
  }
}

/** The same while the event loop stands still, so that the store does not see what comes and goes. */
function untilUnseen(what, condition) {
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  for (const end = Date.now() + 50_000; !condition(); Atomics.wait(nobody, 0, 0, 1)) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`)
  }
}
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

/** The snapshot that heals has its segment; its child is held. */
async function untilHealing() {
  for (let i = 0; i < 1000; i++) map.set(i, { text: 'x'.repeat(1000) })
  await store.commit()
  const { segments } = store.stats().log
  arm(FAIL_ONCE, 1, EIO, 'fdatasync')
  hold(HOLD_CHILD)
  map.set('first', 1)
  const code = await codeOf(store.commit())
  await until('healing', () => state() === 'healing' && store.stats().log.segments > segments)
  return code
}

const told = []
if (moment === 'while healing') {
  told.push(await untilHealing())
  arm(FAIL_ONCE, 1, EIO, 'fdatasync')
  map.set('second', 2)
  told.push(await codeOf(store.commit()), state())
  disarm()
  hold(0)
} else if (moment === 'after healing') {
  told.push(await untilHealing())
  // What is written now waits for its sync until the snapshot has ended; then that fails.
  hold(HOLD_CHILD | HOLD_LOG)
  map.set('second', 2)
  await new Promise((done) => setImmediate(done))
  await new Promise((done) => setImmediate(done))
  hold(HOLD_LOG)
  untilUnseen('healed', () => state() === 'healthy')
  arm(FAIL_ONCE, 1, EIO, 'fdatasync')
  hold(0)
  untilUnseen('failed', () => state() !== 'healthy')
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

await until('healthy again', () => state() === 'healthy')
told.push(state())
map.set('last', 3)
told.push(await codeOf(store.commit()))
await store.close()
process.send({ told, snapshots }, () => {
  if (process.connected) process.disconnect()
})
