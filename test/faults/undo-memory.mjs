// A transaction that changes the same bytes again and again: reports what the process has grown by within it.
import { open } from '../../dist/index.js'

const store = await open({ engine: 'native', maxBytes: 2 ** 30 })
const map = store.map('m')
map.set('k', { v: 0 })
store.root.a = { v: 0, list: ['x'] }
const { root } = store

// Not V8's heap, of which newer versions keep more.
function outsideBytes() {
  const { rss, heapTotal } = process.memoryUsage()
  return rss - heapTotal
}

function grownBytes(turns) {
  const before = outsideBytes()
  return store.transaction(() => {
    for (let turn = 0; turn < turns; turn++) {
      map.increment('k', 'v')
      root.a.v++
      root.a.list.push('y')
      root.a.list.pop()
    }
    return outsideBytes() - before
  })
}

grownBytes(20_000) // so that the code is compiled
const grown = grownBytes(200_000)
await store.close()
process.send(grown, () => process.disconnect())
