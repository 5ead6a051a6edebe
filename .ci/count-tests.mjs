// Reads a test runner's log and prints "passed failed": vitest's closing line, ctest's, or both added up.
import { readFileSync } from 'node:fs'

const escape = String.fromCharCode(27)
const log = readFileSync(process.argv[2], 'utf8').replaceAll(new RegExp(`${escape}\\[[0-9;]*m`, 'g'), '')
let passed = 0
let failed = 0
for (const line of log.split('\n')) {
  const vitest = /^\s*Tests\s+(?:(\d+) failed)?[ |]*(?:(\d+) passed)?/.exec(line)
  if (vitest) {
    failed += Number(vitest[1] ?? 0)
    passed += Number(vitest[2] ?? 0)
  }
  const ctest = /tests passed, (\d+) tests failed out of (\d+)/.exec(line)
  if (ctest) {
    failed += Number(ctest[1])
    passed += Number(ctest[2]) - Number(ctest[1])
  }
}
console.log(passed, failed)
