// Opens, fills, snapshots and closes again and again; reports what the process holds.
import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { open } from '../../dist/index.js'

const [directory, rounds] = process.argv.slice(2)

async function round() {
  const store = await open(directory, { engine: 'native', maxBytes: 1 << 30 })
  const map = store.map('m')
  for (let i = 0; i < 5000; i++) map.set(`key ${i}`, { i, text: `text ${i}`, list: [i, [i]] })
  for (const [, value] of map) if (value.i < 0) throw new Error('impossible')
  await store.snapshot()
  map.clear()
  await store.close()
}

async function holds() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await turn()
  }
  const memory = process.memoryUsage() // without V8's heap, which newer versions keep large
  // Arenas and what belongs to them; V8 keeps a number of small pages of its own, which differs by version.
  const mappings = readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .filter((line) => {
      const [start, end] = line.split(' ')[0].split('-')
      return Number(`0x${end}`) - Number(`0x${start}`) >= 1 << 20
    }).length
  return {
    rssBytes: memory.rss - memory.heapTotal,
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mappings,
  }
}

for (let i = 0; i < 20; i++) await round()
const before = await holds()
for (let i = 0; i < Number(rounds); i++) await round()
// A thread that has been waited for may be listed a moment longer.
let after = await holds()
for (let tries = 0; after.threads > before.threads && tries < 1000; tries++) {
  await new Promise((done) => setTimeout(done, 10))
  after = await holds()
}
process.send({ before, after }, () => process.disconnect())
