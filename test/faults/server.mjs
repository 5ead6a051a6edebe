// A store and a TCP server in one process, driven by IPC; the tests of signals, connections and hanging children
// stop its snapshot child to look at it.
import { createServer } from 'node:net'
import { open } from '../../dist/index.js'

const [directory, watchdogMs] = process.argv.slice(2)
const store = await open(directory, {
  engine: 'native',
  snapshot: { everyMs: 0, afterWrites: 0, watchdogMs: Number(watchdogMs), onClose: false, strategy: 'fork' },
})
const map = store.map('m')
for (let i = 0; i < 100_000; i++) map.set(`key ${i}`, { i, text: `some text for entry ${i}` })

const handled = { SIGINT: 0, SIGTERM: 0, SIGCHLD: 0 }
for (const name of Object.keys(handled)) process.on(name, () => handled[name]++)

const sockets = []
const server = createServer((socket) => {
  socket.on('error', () => {})
  sockets.push(socket)
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

process.on('message', async (command) => {
  if (command === 'snapshot') {
    store.snapshot().then(
      (result) =>
        process.send({
          done: true,
          generation: result.generation,
          copiedBytes: result.copiedBytes,
          pauseMs: result.pauseMs,
          forkMs: result.forkMs,
        }),
      (error) => process.send({ done: false, code: error.code, cause: String(error.cause) }),
    )
  } else if (command === 'count sockets') {
    process.send({ sockets: sockets.length })
  } else if (command === 'close sockets') {
    for (const socket of sockets) socket.destroy()
    process.send({ closed: sockets.length })
  } else if (command === 'handled') {
    process.send(handled)
  } else if (typeof command === 'object' && command.touch) {
    for (let i = 0; i < 100_000; i += command.touch) map.increment(`key ${i}`, 'i', 1)
    process.send({ touched: true })
  } else if (command === 'close store') {
    const pending = store.snapshot().then(
      () => 'saved',
      (error) => error.code,
    )
    await store.close()
    process.send({ closedStore: await pending })
  }
})
process.on('disconnect', () => process.exit())
process.send({ port: server.address().port })
