// A disk that is really full: as root a small tmpfs, else a limit on the size of files.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { open, type ForkstoreError } from '../lib/index.js'
import { engines, openEngine } from './support/engines.js'
import { crashCopy } from './support/log-files.js'

const root = process.getuid?.() === 0
// Mounting takes root; the limit on file size, below, is tried by everybody.
const testAsRoot = (name: string, body: () => Promise<void>): void => {
  if (root) test(name, body)
}
const base = mkdtempSync(join(tmpdir(), 'forkstore-disk-'))
const disk = join(base, 'disk')

function fillDisk(): void {
  try {
    for (let i = 0; ; i++) writeFileSync(join(disk, `filler-${i}`), Buffer.alloc(64 * 1024))
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
  }
}

function emptyDisk(): void {
  for (const name of readdirSync(disk).filter((each) => each.startsWith('filler'))) rmSync(join(disk, name))
}

const delay = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

beforeAll(() => {
  mkdirSync(disk)
  if (root) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk])
})
afterAll(() => {
  if (root) execFileSync('umount', ['-l', disk]) // also when a test has left a store open
  rmSync(base, { recursive: true, force: true })
})

testAsRoot('a small disk has room for the data, the image, and the log', async () => {
  const directory = join(disk, 'small')
  const options = { engine: 'native', snapshot: { everyMs: 0, afterWrites: 0, keep: 1 } } as const
  const store = await open(directory, options)
  const map = store.map('m')
  // 1.2 MiB live; the log of them, and two images: some 4 of 6 MiB.
  for (let key = 0; key < 12; key++) map.set(key, randomBytes(100_000))
  await store.commit()
  for (let round = 0; round < 4; round++) {
    map.set(round, randomBytes(100_000))
    await store.snapshot()
  }
  await store.close()
  const again = await open(directory, options)
  expect(again.map('m').size).toBe(12)
  await again.close()
  rmSync(directory, { recursive: true })
})

testAsRoot('a full disk: the old snapshot stands, and saving works again when there is space', async () => {
  const directory = join(disk, 'store')
  const store = await open(directory, {
    engine: 'native',
    durability: 'snapshot',
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

for (const engine of engines) {
  testAsRoot(
    `the log on a full disk: nothing is acknowledged, and when there is space writes return (${engine})`,
    async () => {
      const directory = join(disk, `log-${engine}`)
      const store = await openEngine(engine, directory, { snapshot: { everyMs: 0, afterWrites: 0 } })
      const warnings: Error[] = []
      store.on('warning', (warning) => warnings.push(warning))
      store.on('snapshot-error', () => undefined)
      const map = store.map<string, unknown>('m').set('small', 1)
      await store.commit()
      fillDisk()
      // Until the disk says so: what is preallocated can still be written to.
      let failure: ForkstoreError | undefined
      let acknowledged = 0
      for (let index = 1; failure === undefined; index++) {
        map.set('number', index).set('text', randomBytes(50_000).toString('latin1'))
        failure = await store.commit().then(
          () => void (acknowledged = index),
          (error: unknown) => error as ForkstoreError,
        )
      }
      expect(failure.code).toBe('ERR_FORKSTORE_LOG_FAILED')
      expect((failure.cause as NodeJS.ErrnoException).code).toBe('ENOSPC')
      while (store.stats().log!.state !== 'read-only') await delay(5)
      const before = [...map]
      expect(() => map.set('number', 0)).toThrow(
        expect.objectContaining({ code: 'ERR_FORKSTORE_LOG_FAILED' }),
      )
      expect(() => map.delete('number')).toThrow(
        expect.objectContaining({ code: 'ERR_FORKSTORE_LOG_FAILED' }),
      )
      expect(() => store.map('another')).toThrow(
        expect.objectContaining({ code: 'ERR_FORKSTORE_LOG_FAILED' }),
      )
      expect([...map]).toEqual(before)
      const copy = crashCopy(directory, base)
      const left = await openEngine(engine, copy)
      left.on('recovered', () => undefined)
      expect(Number(left.map('m').get('number') ?? 0)).toBeGreaterThanOrEqual(acknowledged)
      await left.close()

      emptyDisk()
      while (store.stats().log!.state !== 'healthy') await delay(5)
      map.set('number', 'again')
      await store.commit()
      const healed = await openEngine(engine, crashCopy(directory, base))
      expect([...healed.map('m')]).toEqual([...map])
      await healed.close()
      expect(warnings.map((warning) => (warning as ForkstoreError).code)).toEqual([
        'ERR_FORKSTORE_LOG_FAILED',
      ])
      await store.close()
      rmSync(directory, { recursive: true })
    },
  )
}

testAsRoot('a disk without a byte left: opening a new store gives a typed error', async () => {
  fillDisk()
  const failure = await open(join(disk, 'new'), { engine: 'native' }).then(
    () => undefined,
    (error: unknown) => error as ForkstoreError,
  )
  expect(failure?.code).toBe('ERR_FORKSTORE_IO')
})

/** What a program prints whose files may have 2 MiB. */
function underLimit(program: string): string {
  const source = `import { open } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}\n${program}`
  const shell = `ulimit -f 4096; exec "${process.execPath}" --input-type=module -e '${source.replaceAll("'", `'\\''`)}'`
  return execFileSync('sh', ['-c', shell]).toString().trim()
}

for (const engine of engines) {
  for (const [how, handler] of [
    ['as it comes', ''],
    ['with a handler of SIGXFSZ', `process.on('SIGXFSZ', () => {})`],
  ] as const) {
    const path = (kind: string): string =>
      JSON.stringify(join(base, `${kind}-${engine}-${handler === '' ? 'plain' : 'handled'}`))

    test(`a limit on file size, ${how}: a typed error, and the store goes on (${engine})`, () => {
      const printed = underLimit(`
        ${handler}
        const store = await open(${path('limited')}, { engine: '${engine}', durability: 'snapshot', snapshot: false })
        const map = store.map('m')
        for (let i = 0; i < 100; i++) map.set(i, 'x'.repeat(100_000))
        console.log(await store.snapshot().catch((error) => error.code + ' ' + error.cause.code))
        for (let i = 0; i < 95; i++) map.delete(i)
        console.log((await store.snapshot()).entries)
        await store.close()
      `)
      expect(printed).toBe('ERR_FORKSTORE_SNAPSHOT_FAILED EFBIG\n5')
    })

    test(`a limit on file size, ${how}: the log says so, and heals (${engine})`, () => {
      const printed = underLimit(`
        ${handler}
        const store = await open(${path('log')}, { engine: '${engine}', snapshot: false })
        const warnings = []
        store.on('warning', (warning) => warnings.push(warning.code))
        const map = store.map('m')
        for (let i = 0; i < 100; i++) map.set(i % 5, 'x'.repeat(100_000))
        console.log(await store.commit().catch((error) => error.code + ' ' + error.cause.code))
        while (store.stats().log.state !== 'healthy') await new Promise((done) => setTimeout(done, 5))
        map.set('again', 1)
        await store.commit()
        console.log(warnings.join(), map.size)
        await store.close()
      `)
      expect(printed).toBe('ERR_FORKSTORE_LOG_FAILED EFBIG\nERR_FORKSTORE_LOG_FAILED 6')
    })
  }
}
