// A process that opens a store: prints how that ended, and the most memory that the process had, in bytes.
// `peak-memory.ts <path>`
import { readFileSync } from 'node:fs'
import { openEngine } from './engines.js'

let outcome = 'opened'
try {
  const store = await openEngine('native', process.argv[2]!)
  await store.close()
} catch (error) {
  outcome = String((error as { code?: unknown }).code)
}
const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
process.stdout.write(JSON.stringify({ outcome, peak }))
