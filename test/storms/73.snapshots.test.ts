// Snapshot after snapshot, beside all else that a busy process does.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { open } from '../../lib/index.js'
import { Program } from '../support/program.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-storm-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

// Fewer where it runs once more, on another version of Node.
const snapshots = Number(process.env.FORKSTORE_STORM_SNAPSHOTS ?? 2000)

test(`${snapshots} snapshots beside busy workers, zlib, crypto and garbage collection`, async () => {
  const program = new Program('storm.mjs', [join(base, 'storm'), String(snapshots)])
  let answer: { generation: number } | undefined
  while (answer === undefined) {
    try {
      answer = await program.message<{ generation: number }>()
    } catch (error) {
      if (!/says nothing/.test(String(error))) throw error
    }
  }
  // Generation 1 is the empty store's.
  expect(answer.generation).toBe(snapshots + 1)
  await program.end()
  expect(program.exitCode).toBe(0)
  const store = await open(join(base, 'storm'), { engine: 'native' })
  expect(store.map('m').size).toBe(2000)
  await store.close()
}, 1_800_000)
