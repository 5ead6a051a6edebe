// A worker that takes one snapshot after another until it is terminated.
import { parentPort, workerData } from 'node:worker_threads'
import { open } from '../../dist/index.js'

const store = await open(workerData.directory, {
  engine: 'native',
  snapshot: { everyMs: 0, afterWrites: 0, strategy: process.env.FORKSTORE_TEST_STRATEGY ?? 'fork' },
})
parentPort.postMessage('running')
for (let i = 0; ; i++) {
  store.map('m').set(i % 100, i)
  await store.snapshot()
}
