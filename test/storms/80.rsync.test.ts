import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe } from 'vitest'
import { testCopies } from '../conformance/copies.js'
import { engines } from '../support/engines.js'

// Here, as not everybody who runs the tests has it.
const run = promisify(execFile)

describe.each(engines)('copies (%s)', (engine) => {
  testCopies(engine, [['rsync', (from, to) => run('rsync', ['-a', `${from}/`, to])]])
})
