// Ends in the ways that leave a log behind, without close(): what was written must not be lost for it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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
} else if (how === 'exit at once') {
  process.exit()
} else if (how === 'exit in a transaction') {
  map.set('b', 2)
  store.transaction(() => {
    map.set('a', 'not this')
    process.exit()
  })
} else if (how === 'writes at exit') {
  // Before ours and after it.
  process.prependListener('exit', () => map.set('b', 2))
  process.on('exit', () => {
    map.set('c', 3)
    store.transaction(() => {
      map.set('d', 4)
      map.set('e', 5)
    })
    map.set('f', 6)
  })
  setTimeout(() => process.exit(), 20)
} else if (how === 'a listener goes on') {
  process.on('uncaughtException', () => {
    setTimeout(() => {
      map.set('b', 2)
      process.exit()
    }, 10)
  })
  setImmediate(() => {
    throw new Error('somebody catches this')
  })
} else if (how === 'kill after a turn') {
  // As soon as the system has it, and nothing else: no sync is due for a second.
  const logs = () => readdirSync(directory).filter((name) => name.includes('log'))
  const isWritten = () => logs().some((name) => readFileSync(join(directory, name)).includes('the last turn'))
  setTimeout(() => {
    map.set('the last turn', 2)
    setInterval(() => isWritten() && process.kill(process.pid, 'SIGKILL'), 1)
  }, 1)
} else if (how === 'an uncaught exception') {
  setImmediate(() =>
    setImmediate(() => {
      // The turn that throws has written as well, and has not ended.
      map.set('b', 2)
      throw new Error('nobody catches this')
    }),
  )
}
