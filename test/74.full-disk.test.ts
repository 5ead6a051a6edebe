// A disk that is really full: as root a small tmpfs, else a limit on the size of files.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { open, type ForkstoreError } from '../lib/index.js'

const root = process.getuid?.() === 0
// Mounting takes root; the limit on file size, below, is tried by everybody.
const testAsRoot = (name: string, body: () => Promise<void>): void => {
  if (root) test(name, body)
}
const base = mkdtempSync(join(tmpdir(), 'forkstore-disk-'))
const disk = join(base, 'disk')

beforeAll(() => {
  mkdirSync(disk)
  if (root) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk])
})
afterAll(() => {
  if (root) execFileSync('umount', [disk])
  rmSync(base, { recursive: true, force: true })
})

testAsRoot('a full disk: the old snapshot stands, and saving works again when there is space', async () => {
  const directory = join(disk, 'store')
  const store = await open(directory, {
    engine: 'native',
    snapshot: { everyMs: 0, afterWrites: 0, keep: 1 },
  })
  const map = store.map('m')
  map.set('small', 1)
  await store.snapshot()
  for (let i = 0; i < 100; i++) map.set(i, 'x'.repeat(100_000))
  const failure = await store.snapshot().then(
    () => undefined,
    (error: unknown) => error as ForkstoreError,
  )
  expect(failure?.code).toBe('ERR_FORKSTORE_SNAPSHOT_FAILED')
  expect((failure?.cause as NodeJS.ErrnoException).code).toBe('ENOSPC')
  expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([])
  for (let i = 0; i < 100; i++) map.delete(i)
  map.set('small', 2)
  await store.snapshot()
  await store.close()
  const again = await open(directory, { engine: 'native' })
  expect([...again.map('m')]).toEqual([['small', 2]])
  await again.close()
})

testAsRoot('a disk without a byte left: opening a new store gives a typed error', async () => {
  writeFileSync(join(disk, 'filler'), Buffer.alloc(100))
  try {
    for (let i = 0; ; i++) writeFileSync(join(disk, `filler-${i}`), Buffer.alloc(64 * 1024))
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
  }
  const failure = await open(join(disk, 'new'), { engine: 'native' }).then(
    () => undefined,
    (error: unknown) => error as ForkstoreError,
  )
  expect(failure?.code).toBe('ERR_FORKSTORE_IO')
})

test('a limit on file size: a typed error, and the store goes on', () => {
  const program = `
    import { open } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
    process.on('SIGXFSZ', () => {})
    const store = await open(${JSON.stringify(join(base, 'limited'))}, { engine: 'native', snapshot: false })
    for (let i = 0; i < 100; i++) store.map('m').set(i, 'x'.repeat(100_000))
    console.log(await store.snapshot().catch((error) => error.code))
  `
  const shell = `ulimit -f 4096; exec "${process.execPath}" --input-type=module -e '${program.replaceAll("'", `'\\''`)}'`
  expect(execFileSync('sh', ['-c', shell]).toString().trim()).toBe('ERR_FORKSTORE_SNAPSHOT_FAILED')
})
