// Opens a store while the process has `free` descriptors left, and once more when it has them all; prints
// what came of it.
import { closeSync, openSync } from 'node:fs'
import { open } from '../../dist/index.js'

const [engine, free, path] = process.argv.slice(2)
const taken = []
try {
  for (;;) taken.push(openSync('/dev/null'))
} catch {
  for (let i = 0; i < Number(free); i++) closeSync(taken.pop())
}
const outcomes = []
for (let attempt = 0; attempt < 2; attempt++) {
  try {
    const store = await (path ? open(path, { engine, snapshot: false }) : open({ engine }))
    store.map('m').set(attempt, attempt)
    outcomes.push({ engine: store.engine, keys: [...store.map('m').keys()] })
    await store.close()
  } catch (error) {
    outcomes.push({ name: error.name, code: error.code, cause: error.cause?.code })
  }
  for (const file of taken.splice(0)) closeSync(file)
}
console.log(JSON.stringify(outcomes))
