// Stores that a signal closes. What it says comes before its end.
import { open } from '../../dist/index.js'

const [how, engine, directory] = process.argv.slice(2)
const options = { engine, maxBytes: 2 ** 30, snapshot: false, closeOn: ['SIGTERM', 'SIGINT'] }
const stores = await Promise.all(['a', 'b'].map((name) => open(`${directory}-${name}`, options)))
for (const store of stores) store.map('m').set('k', 1)
if (how === 'a listener of its own') {
  process.on('SIGTERM', () => {
    console.log('asked')
    setTimeout(() => process.exit(7), 200)
  })
} else if (how === 'closed before') {
  await Promise.all(stores.map((store) => store.close()))
  console.log(process.listenerCount('SIGTERM'), process.listenerCount('SIGINT'))
} else if (how === 'again') {
  // Something that never ends, in the place of closing.
  stores[0].close = () => new Promise(() => {})
} else if (how === 'first process') {
  // Of a container: what it sends to itself is dropped. The real number would be that of the system's own first process.
  Object.defineProperty(process, 'pid', { value: 1 })
  process.kill = () => true
}
setInterval(() => {}, 1000)
process.send('ready')
process.disconnect()
