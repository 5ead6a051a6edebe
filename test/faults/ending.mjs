// Ends a process in the ways that leave a store open, a snapshot running or both.
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import { open } from '../../dist/index.js'

const [how, directory] = isMainThread ? process.argv.slice(2) : [workerData.how, workerData.directory]

async function openFilled(path) {
  const options = {
    engine: 'native',
    snapshot: { everyMs: 0, afterWrites: 0, strategy: process.env.FORKSTORE_TEST_STRATEGY ?? 'fork' },
  }
  const store = await (path === undefined ? open(options) : open(path, options))
  const map = store.map('m')
  for (let i = 0; i < 20_000; i++) map.set(i, { i, text: 'some text here' })
  return store
}

if (!isMainThread) {
  const store = await openFilled(directory)
  if (how === 'terminate-snapshot' && directory !== undefined) store.snapshot().catch(() => {})
  setInterval(() => store.map('m').set('tick', Date.now()), 1)
  const { parentPort } = await import('node:worker_threads')
  parentPort.postMessage('running')
} else if (how === 'terminate-looping') {
  for (let round = 0; round < 100; round++) {
    const worker = new Worker(fileURLToPath(new URL('./ending-worker.mjs', import.meta.url)), {
      workerData: { directory: `${directory}-${round % 4}` },
    })
    await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 12))
    await worker.terminate()
  }
  process.send('ended')
  process.disconnect()
} else if (how.startsWith('terminate')) {
  for (let round = 0; round < 20; round++) {
    const worker = new Worker(fileURLToPath(import.meta.url), {
      workerData: { how, directory: round % 2 ? undefined : `${directory}-${round}` },
    })
    await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await worker.terminate()
  }
  process.send('ended')
  process.disconnect()
} else {
  const store = await openFilled(directory)
  const iterator = store.map('m').entries()
  iterator.next()
  if (how === 'exit-snapshot') store.snapshot().catch(() => {})
  if (how === 'opening') open(`${directory}-second`)
  process.send('ended', () => {
    if (how === 'throw') throw new Error('on purpose')
    // Two turns later, so that the snapshot has forked.
    setImmediate(() => setImmediate(() => process.exit(0)))
  })
}
