// Where a process may not have as many addresses as the default reserves.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const GIB = 2 ** 30
const MIB = 2 ** 20
const folder = mkdtempSync(join(tmpdir(), 'forkstore-addresses-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a program prints, as JSON, under a limit of the shell's `ulimit`. */
function under<Printed>(limit: string, program: string): Printed {
  const source = `import { open } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}\n${program}`
  const shell = `ulimit ${limit}; exec "$NODE" --input-type=module -e "$PROGRAM"`
  const env = { ...process.env, NODE: process.execPath, PROGRAM: source }
  return JSON.parse(execFileSync('sh', ['-c', shell], { env, encoding: 'utf8' })) as Printed
}

for (const limit of ['-v 40000000', '-d 40000000']) {
  test(`the default falls back to what can be had, in memory and in a directory (ulimit ${limit})`, () => {
    const path = join(folder, limit.replace(' ', ''))
    const program = (where: string): string => `
      const store = await open(${where}{ engine: 'native' })
      const map = store.map('m')
      const visits = map.getOrInsert('visits', 0) + 1
      map.set('visits', visits)
      if (store.path) await store.snapshot()
      console.log(JSON.stringify([store.stats().bytes.max, visits]))
      await store.close()`
    expect(under(limit, program(''))).toEqual([16 * GIB, 1])
    const inDirectory = program(`${JSON.stringify(path)}, `)
    for (const visits of [1, 2]) expect(under(limit, inDirectory)).toEqual([16 * GIB, visits])
  })
}

test('a number that was asked for must be had', () => {
  const refused = under<string[]>(
    '-v 40000000',
    `const refusal = await open({ engine: 'native', maxBytes: 64 * 2 ** 30 }).catch((error) => error)
     console.log(JSON.stringify([refusal.code, refusal.cause.code, refusal.message]))`,
  )
  expect(refused).toEqual(['ERR_FORKSTORE_IO', 'ENOMEM', expect.stringContaining('maxBytes')])
})

test('when the store is full it says why it is so small', () => {
  // What Node takes for itself differs from version to version.
  const taken = under<number>(
    '-d unlimited',
    `import { readFileSync } from 'node:fs'
     const store = await open({ engine: 'native', maxBytes: 2 ** 22 })
     console.log(/VmData:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
     await store.close()`,
  )
  const [max, code, message] = under<[number, string, string]>(
    `-d ${taken + 500_000}`,
    `const store = await open({ engine: 'native' })
     const map = store.map('m')
     const { max } = store.stats().bytes
     try {
       for (let i = 0; ; i++) map.set(i, 'x'.repeat(2 ** 20))
     } catch (error) {
       console.log(JSON.stringify([max, error.code, error.message]))
     }
     await store.close()`,
  )
  expect(max).toBeGreaterThanOrEqual(64 * MIB)
  expect(max).toBeLessThan(GIB)
  expect(code).toBe('ERR_FORKSTORE_FULL')
  expect(message).toContain(`of ${max} bytes`)
  expect(message).toContain(String(64 * GIB))
  expect(message).toContain('ulimit')
})
