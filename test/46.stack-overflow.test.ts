// The stack may end within any call of the library: nothing is half done for it, then or later.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { engines, type EngineName } from './support/engines.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-overflow-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})
const program = fileURLToPath(new URL('./faults/overflow.mjs', import.meta.url))

describe.each(engines)('stack overflows that are caught (%s)', (engine: EngineName) => {
  const run = (how: string, stackKib: number): unknown => {
    const directory = join(base, `${how}-${engine}-${stackKib}`)
    const text = execFileSync(
      process.execPath,
      [`--stack-size=${stackKib}`, program, how, engine, directory],
      {
        encoding: 'utf8',
        timeout: 60_000,
      },
    )
    return JSON.parse(text)
  }

  test.each([300, 600, 984])('in transactions: all is taken back (stack of %i KiB)', (stackKib) => {
    expect(run('transactions', stackKib)).toEqual({
      errors: ['RangeError'],
      state: { n: 0 },
      n: 0,
      generation: expect.any(Number) as unknown,
    })
  })

  test.each([300, 984])('in writes: the next one stores what it is given (stack of %i KiB)', (stackKib) => {
    expect(run('writes', stackKib)).toMatchObject({
      wrong: [],
      state: { check: expect.anything() as unknown },
    })
  })
})
