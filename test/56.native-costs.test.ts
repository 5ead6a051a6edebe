// What a store of the native engine costs when nothing is done with it, and what must not cost more than it says.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { open } from '../lib/index.js'
import { heldSnapshot } from './support/held-snapshot.js'
import { Program } from './support/program.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-costs-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

const MIB = 2 ** 20
const QUIET = { everyMs: 0, afterWrites: 0, onClose: false }

test('a snapshot right after another copies nothing that was not written', async () => {
  const count = 64
  const store = await open(join(base, 'again'), {
    engine: 'native',
    durability: 'snapshot',
    snapshot: QUIET,
  })
  const map = store.map('m')
  for (let i = 0; i < count; i++) map.set(i, { v: 0, b: Buffer.alloc(MIB - 512, i) })
  const { taken, letGo } = await heldSnapshot('native', store)
  // Splits all huge pages, since the child lives.
  for (let i = 0; i < count; i++) map.increment(i, 'v')
  letGo()
  expect((await taken).copiedBytes).toBeGreaterThanOrEqual(count * 4096)
  expect((await store.snapshot()).copiedBytes).toBeLessThan(8 * MIB)
  await store.close()
})

test('an empty store has a small image', async () => {
  const path = join(base, 'empty')
  const store = await open(path, { engine: 'native', durability: 'snapshot' })
  await store.close()
  const bytes = readdirSync(path).map((name) => statSync(join(path, name)).size)
  expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(MIB / 4)
})

test('when close() has resolved the directory can be opened at once', async () => {
  const path = join(base, 'turns')
  for (let turn = 0; turn < 20; turn++) {
    const store = await open<{ n: number }>(path, { engine: 'native', snapshot: QUIET })
    expect(store.root.n ?? 0).toBe(turn)
    store.root.n = turn + 1
    await store.close()
  }
})

test('where memory is short a large value is refused, and the process goes on', async () => {
  const program = new Program('short-memory.mjs', [])
  expect(await program.message()).toEqual(['ERR_FORKSTORE_TOO_LARGE', false, 1, 100_000])
  await program.end()
  expect(program.exitCode).toBe(0)
})
