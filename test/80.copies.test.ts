import { execFile } from 'node:child_process'
import { cp } from 'node:fs/promises'
import { promisify } from 'node:util'
import { describe } from 'vitest'
import { testCopies } from './conformance/copies.js'
import { engines } from './support/engines.js'

const run = promisify(execFile)

describe.each(engines)('copies (%s)', (engine) => {
  testCopies(engine, [
    ['fs.cp', (from, to) => cp(from, to, { recursive: true })],
    ['cp -r', (from, to) => run('cp', ['-r', from, to])],
    ['tar', (from, to) => run('sh', ['-ec', 'mkdir "$2"; tar -C "$1" -cf "$2.tar" .; tar -C "$2" -xf "$2.tar"', 'sh', from, to])], // prettier-ignore
  ])
})
