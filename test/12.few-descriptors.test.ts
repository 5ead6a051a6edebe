// The first `open` of a process that has no descriptors left: a typed error, and it opens when there are some.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { engines } from './support/engines.js'

const folder = mkdtempSync(join(tmpdir(), 'forkstore-descriptors-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const program = fileURLToPath(new URL('faults/few-descriptors.mjs', import.meta.url))

interface Outcome {
  code?: string
  cause?: string
  engine?: string
  keys?: number[]
}

function attempts(engine: string, free: number, path: string): [first: Outcome, second: Outcome] {
  const args = ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, program, engine, String(free), path]
  return JSON.parse(execFileSync('sh', args, { encoding: 'utf8' })) as [Outcome, Outcome]
}

for (const engine of [...engines, 'auto']) {
  const runs = engine === 'auto' ? engines.at(-1)! : engine

  test(`a directory, with each number of descriptors up to enough (${engine})`, () => {
    let failures = 0
    for (let free = 0; ; free++) {
      const [first, second] = attempts(engine, free, join(folder, `${engine}-${free}`))
      if (first.code === undefined) {
        expect([first, second]).toEqual([
          { engine: runs, keys: [0] },
          { engine: runs, keys: [0, 1] },
        ])
        break
      }
      failures++
      // With the last of them the files are open, and the log cannot be begun.
      const codes = expect.stringMatching(/^ERR_FORKSTORE_(IO|LOG_FAILED)$/) as string
      expect(first).toEqual({ name: 'ForkstoreError', code: codes, cause: 'EMFILE' })
      expect(second).toEqual({ engine: runs, keys: [1] })
    }
    expect(failures).toBeGreaterThan(2)
  })

  test(`memory only, with none and with one (${engine})`, () => {
    for (const free of [0, 1]) {
      const [first, second] = attempts(engine, free, '')
      if (first.code !== undefined)
        expect(first).toEqual({ name: 'ForkstoreError', code: 'ERR_FORKSTORE_IO', cause: 'EMFILE' })
      expect(second).toEqual({ engine: runs, keys: [1] })
    }
  })
}
