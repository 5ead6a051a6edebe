// Leaks, and every way for a process or a worker to end with a store open.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { open } from '../lib/index.js'
import { compileOnMainThread, Program } from './support/program.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-life-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

test('open and close leak no memory, descriptor, thread or mapping', async () => {
  const program = new Program('leak.mjs', [join(base, 'leak'), '150'], { execArgv: ['--expose-gc'] })
  interface Holds {
    rssBytes: number
    descriptors: number
    threads: number
    mappings: number
  }
  const { before, after } = await program.message<{ before: Holds; after: Holds }>()
  await program.end()
  expect(after.descriptors).toBe(before.descriptors)
  expect(after.threads).toBeLessThanOrEqual(before.threads)
  expect(after.mappings).toBeLessThan(before.mappings + 10)
  // 150 rounds with at least a megabyte of data each.
  expect(after.rssBytes - before.rssBytes).toBeLessThan(30_000_000)
})

for (const how of ['terminate', 'terminate-snapshot', 'terminate-looping']) {
  test(`workers: ${how} with stores open`, async () => {
    const program = new Program('ending.mjs', [how, join(base, how)])
    expect(await program.message()).toBe('ended')
    await program.end()
    expect(program.exitCode).toBe(0)
    // The lock is free, and the store opens.
    const store = await open(join(base, `${how}-0`), { engine: 'native' })
    await store.close()
  })
}

for (const [how, code] of [
  ['exit', 0],
  ['exit-snapshot', 0],
  ['opening', 0],
  ['throw', 1],
] as const) {
  test(`process end: ${how}`, async () => {
    for (let round = 0; round < 5; round++) {
      const program = new Program('ending.mjs', [how, join(base, `${how}-${round}`)], {
        execArgv: compileOnMainThread,
      })
      expect(await program.message()).toBe('ended')
      await program.end()
      expect([program.exitCode, program.signal]).toEqual([code, null])
      const store = await open(join(base, `${how}-${round}`), { engine: 'native' })
      await store.close()
    }
  })
}
