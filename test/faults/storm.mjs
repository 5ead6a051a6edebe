// 2,000 snapshots while workers allocate and collect, and zlib and crypto keep the thread pool busy: a fork that is
// not safe beside other threads would deadlock or crash here sooner or later.
import { pbkdf2, randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { deflate } from 'node:zlib'
import { open } from '../../dist/index.js'

const [directory, rounds] = process.argv.slice(2)
process.on('disconnect', () => process.exit())
const churn = `
  let kept = []
  setInterval(() => {
    kept = Array.from({ length: 20000 }, (_, i) => ({ i, text: 'x'.repeat(i % 50) }))
  }, 10)
`
const workers = [new Worker(churn, { eval: true }), new Worker(churn, { eval: true })]
const data = randomBytes(50_000)
let busy = true
const compress = () => busy && deflate(data, compress)
const derive = () => busy && pbkdf2('password', 'salt', 2000, 32, 'sha256', derive)
compress()
derive()

const store = await open(directory, {
  engine: 'native',
  snapshot: {
    everyMs: 0,
    afterWrites: 0,
    watchdogMs: 20_000,
    strategy: process.env.FORKSTORE_TEST_STRATEGY ?? 'fork',
  },
})
const map = store.map('m')
for (let i = 0; i < 2000; i++) map.set(i, { i, text: 'some text' })
let last
for (let round = 0; round < Number(rounds); round++) {
  map.set(round % 2000, { round, text: 'x'.repeat(round % 100) })
  last = await store.snapshot()
}
busy = false
await Promise.all(workers.map((worker) => worker.terminate()))
await store.close()
process.send({ generation: last.generation }, () => process.disconnect())
