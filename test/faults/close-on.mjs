// Stores that a signal closes. What it says comes before its end.
import { EventEmitter } from 'node:events'
import { open } from '../../dist/index.js'

/** Calls `then` when somebody has closed the store. */
function onClosed(store, then) {
  const close = store.close
  store.close = async () => {
    await close.call(store)
    then()
  }
}

/**
 * What the package signal-exit does in its versions 3 and 4: nothing while anybody listens for the signal but
 * itself, whose listeners it counts where all its copies find it; else it cleans up and sends the signal anew.
 */
function signalExit(version) {
  const emitter = { count: 1 }
  if (version === 3) process.__signal_exit_emitter__ = emitter
  else globalThis[Symbol.for('signal-exit emitter')] = emitter
  const onSignal = () => {
    const older = version === 4 ? (process.__signal_exit_emitter__?.count ?? 0) : 0
    if (process.listeners('SIGTERM').length !== emitter.count + older) return
    process.off('SIGTERM', onSignal)
    emitter.count--
    console.log('cleaned up')
    process.kill(process.pid, 'SIGTERM')
  }
  process.on('SIGTERM', onSignal)
}

const [how, engine, directory] = process.argv.slice(2)
const asks = new EventEmitter()
if (how.includes('signal-exit 3')) signalExit(3)
if (/signal-exit .*4/.test(how)) signalExit(4)
if (how === 'a listener for once, from before') process.once('SIGTERM', () => asks.emit('ask'))
const options = { engine, maxBytes: 2 ** 30, snapshot: false, closeOn: ['SIGTERM', 'SIGINT'] }
const stores = await Promise.all(['a', 'b'].map((name) => open(`${directory}-${name}`, options)))
for (const store of stores) store.map('m').set('k', 1)
const closed = stores.map((store) => new Promise((resolve) => onClosed(store, resolve)))
asks.on('ask', () => {
  console.log('asked')
  // Some time after they are closed, in which nothing else ends the process.
  void Promise.all(closed).then(() => setTimeout(() => process.exit(7), 200))
})
if (how.endsWith('a listener of its own')) process.on('SIGTERM', () => asks.emit('ask'))
else if (how.endsWith('a listener for once')) process.once('SIGTERM', () => asks.emit('ask'))
else if (how === 'closed before') {
  await Promise.all(stores.map((store) => store.close()))
  console.log(process.listenerCount('SIGTERM'), process.listenerCount('SIGINT'))
} else if (how.startsWith('again')) {
  // Something that never ends, in the place of closing.
  stores[0].close = () => {
    console.log('closing')
    return new Promise(() => {})
  }
} else if (how === 'opened late') {
  const close = stores[0].close
  stores[0].close = async () => {
    const late = await open(`${directory}-late`, options)
    late.map('m').set('k', 1)
    onClosed(late, () => console.log('late is closed'))
    await close.call(stores[0])
  }
} else if (how === 'first process') {
  // Of a container: what it sends to itself is dropped. The real number would be that of the system's own
  // first process.
  Object.defineProperty(process, 'pid', { value: 1 })
  process.kill = () => true
}
setInterval(() => {}, 1000)
process.send('ready')
process.disconnect()
