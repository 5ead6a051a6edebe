// Ends in the ways that leave a log behind, without close(): what was written must not be lost for it.
import { open } from '../../dist/index.js'

const [how, engine, directory] = process.argv.slice(2)
const store = await open(directory, { engine, maxBytes: 2 ** 30, snapshot: false })
const map = store.map('m')
map.set('a', 1)
if (how === 'nothing to do') {
  // The batch of this turn ends, and then nothing keeps the process alive.
} else if (how === 'commit') {
  // Nobody waits, but it keeps the process alive until it is done.
  void store.commit().then(() => console.log('committed'))
} else if (how === 'SIGTERM') {
  process.once('SIGTERM', () => {
    clearInterval(timer)
    void store.close().then(() => process.exit())
  })
  const timer = setInterval(() => map.set('n', (map.get('n') ?? 0) + 1), 1)
  setTimeout(() => {
    map.set('b', 2)
    process.kill(process.pid, 'SIGTERM')
  }, 50)
} else if (how === 'exit in a snapshot') {
  await store.commit()
  const turn = () => new Promise((done) => setImmediate(done))
  void store.snapshot()
  await turn()
  map.set('b', 2)
  await turn()
  process.exit()
} else if (how === 'exit') {
  setImmediate(() => setImmediate(() => process.exit()))
} else if (how === 'an uncaught exception') {
  setImmediate(() =>
    setImmediate(() => {
      // The turn that throws has written as well, and has not ended.
      map.set('b', 2)
      throw new Error('nobody catches this')
    }),
  )
}
