// How the log of forkstore/js is written, and what becomes of calls of the system that fail.

import fs, {
  appendFileSync,
  fstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { ForkstoreError, Store } from '../lib/index.js'
import { disk } from '../lib/engines/js/disk/disk.js'
import { endLine, logName, markLine } from '../lib/engines/js/disk/log-file.js'
import { JsLog } from '../lib/engines/js/disk/log.js'
import { generations } from './support/directory.js'
import { expectEntries, expectError, expectRejection } from './support/expect.js'
import { crashCopy, logFiles } from './support/log-files.js'
import { good, set, writtenLog, type LogText } from './support/js-log.js'
import { Stores } from './support/stores.js'

const delay = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const stores = new Stores('js', { snapshot: false })

const written = (...files: LogText[]): Promise<string> => writtenLog(stores, ...files)

describe('how the log of forkstore/js is written', () => {
  afterEach(() => vi.restoreAllMocks())

  test('each opening goes on in a file of its own, with what the one before left of it', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('x', 1)
    await store.commit()
    const copy = crashCopy(path)
    const [name] = logFiles('js', copy) as [string]
    const before = statSync(join(copy, name)).ino
    const bytes = readFileSync(join(copy, name))
    appendFileSync(join(copy, name), 'a torn tail')
    const synced: number[] = []
    const { fsyncSync } = disk
    vi.spyOn(disk, 'fsyncSync').mockImplementation((file) => {
      synced.push(fstatSync(file).ino)
      fsyncSync(file)
    })
    const again = await stores.open(copy)
    again.on('recovered', () => undefined)
    const after = statSync(join(copy, name)).ino
    expect(after).not.toBe(before)
    // The file, then its name.
    expect(synced).toEqual([after, statSync(copy).ino])
    expect(readFileSync(join(copy, name)).equals(bytes)).toBe(true)
    expect(readdirSync(copy).filter((each) => each.endsWith('.tmp'))).toEqual([])
  })

  test('what is left of an opening that was cut off is removed', async () => {
    const path = await written({ text: good })
    writeFileSync(join(path, `${logName(1)}.tmp`), 'half of it')
    const store = await stores.open(path)
    expect(store.map('a').get('x')).toBe(2)
    expect(readdirSync(path).filter((each) => each.endsWith('.tmp'))).toEqual([])
  })

  test('a file that was made and not written to is no news', async () => {
    const path = await written({ text: good })
    writeFileSync(join(path, logName(2)), '')
    const store = await stores.open(path)
    expect(store.map('a').get('x')).toBe(2)
    expect(store.recovered).toBe(undefined)
  })

  describe('its memory is bounded', () => {
    const bounds = { fragmentBytes: 1000, syncBytes: 8000, softBytes: 16_000, hardBytes: 32_000 }
    const line = `${JSON.stringify(set('x', 'y'.repeat(80)))}\n`
    const begin = (): { log: JsLog; path: string } => {
      const path = stores.directory()
      mkdirSync(path)
      const log = new JsLog(path, 'x'.repeat(32), 0, () => undefined, bounds)
      log.cut(1)
      return { log, path }
    }

    test('a turn is handed on before it ends, and above the hard bound it waits for the disk', async () => {
      const { log, path } = begin()
      const real = disk.fdatasyncSync
      let waits = 0
      vi.spyOn(disk, 'fdatasyncSync').mockImplementation((file) => {
        waits++
        real(file)
      })
      // A disk that is slow: no sync that does not hold the event loop comes to its end.
      vi.spyOn(disk, 'fdatasync').mockImplementation(() => delay(50))
      let crc = 0
      let most = 0
      let isBehind = false
      for (let count = 0; count < 2000; count++) {
        log.record(line, false)
        crc = crc32(line, crc)
        most = Math.max(most, log.stats().bufferedBytes)
        isBehind ||= log.isBehind
      }
      expect(isBehind).toBe(true)
      log.endBatch(true)
      expect(most).toBeGreaterThan(bounds.hardBytes - 2 * bounds.fragmentBytes)
      expect(most).toBeLessThan(bounds.hardBytes + 2 * bounds.fragmentBytes)
      expect(waits).toBeGreaterThan(2)
      expect(log.stats()).toMatchObject({ stalls: waits, batches: 1 })
      // Waiting is no acknowledgement.
      expect(log.durableSequence).toBe(0)
      await log.close()
      expect(log.durableSequence).toBe(1)
      const text = readFileSync(join(path, logName(1)), 'utf8')
      expect(text.slice(text.indexOf('\n') + 1)).toBe(line.repeat(2000) + endLine(1, 0, crc) + markLine(1))
    })

    test('but not within a transaction, which may be taken back as a whole', async () => {
      const { log, path } = begin()
      log.record(line, false)
      const mark = log.mark()
      for (let count = 0; count < 1000; count++) log.record(line, true)
      expect(log.stats()).toMatchObject({ bufferedBytes: expect.any(Number) as number, stalls: 0 })
      expect(log.stats().bufferedBytes).toBeGreaterThan(1000 * line.length)
      log.rollbackTo(mark, [])
      log.endBatch(true)
      await log.close()
      const text = readFileSync(join(path, logName(1)), 'utf8')
      expect(text.slice(text.indexOf('\n') + 1)).toBe(line + endLine(1, 0, crc32(line)) + markLine(1))
    })

    test('a write that fails before the turn has ended costs the rest of the turn no memory', () => {
      const { log } = begin()
      vi.spyOn(disk, 'writeSync').mockImplementation(() => {
        throw Object.assign(new Error('EIO: as the test says'), { code: 'EIO', errno: -5 })
      })
      for (let count = 0; count < 1000; count++) log.record(line, false)
      expect(log.state).toBe('failed')
      expect(log.stats().bufferedBytes).toBeLessThan(2 * bounds.fragmentBytes)
      log.endBatch(true)
      expect([log.durableSequence, log.sequenceToAwait()]).toEqual([0, 1])
      log.abandon()
    })
  })
})

describe('calls of the system that fail', () => {
  afterEach(() => {
    vi.restoreAllMocks()
    syncBuiltinESMExports()
  })

  const failing = (code: string): NodeJS.ErrnoException =>
    Object.assign(new Error(`${code}: as the test says`), { code, errno: -5 })
  const failOnce = (name: 'writeSync' | 'fdatasync', code: string, times = 1): void => {
    const real = disk[name] as (...given: unknown[]) => unknown
    let left = times
    vi.spyOn(disk, name).mockImplementation(((...given: unknown[]) => {
      if (left-- <= 0) return real(...given)
      if (name === 'fdatasync') return Promise.reject(failing(code))
      throw failing(code)
    }) as never)
  }
  const open = async (): Promise<{ store: Store; path: string; warnings: unknown[] }> => {
    const path = stores.directory()
    const store = await stores.open(path)
    const warnings: unknown[] = []
    store.on('warning', (warning) => warnings.push((warning as ForkstoreError).code))
    store.on('snapshot-error', () => undefined)
    store.map('a').set('x', 1)
    await store.commit()
    return { store, path, warnings }
  }

  test.each(['writeSync', 'fdatasync'] as const)(
    '%s, once: the commit rejects, a snapshot heals',
    async (name) => {
      const { store, path, warnings } = await open()
      failOnce(name, 'EIO')
      store.map('a').set('x', 2)
      const error = await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => store.commit())
      expect((error.cause as NodeJS.ErrnoException).code).toBe('EIO')
      while (store.stats().log!.state !== 'healthy') await delay(1)
      expect(warnings).toEqual(['ERR_FORKSTORE_LOG_FAILED'])
      expectEntries((await stores.open(crashCopy(path))).map('a'), [['x', 2]])
      store.map('a').set('x', 3)
      await store.commit()
      const again = await stores.open(crashCopy(path))
      expectEntries(again.map('a'), [['x', 3]])
      expect(again.recovered).toBe(undefined)
      // Older generations do not lead to this state any more.
      expect(logFiles('js', path).length).toBe(1)
    },
  )

  test('write, for good: read-only, and back', async () => {
    const { store, path, warnings } = await open()
    failOnce('writeSync', 'ENOSPC', Infinity)
    store.map('a').set('x', 2)
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => store.commit())
    while (store.stats().log!.state !== 'read-only') await delay(1)
    const map = store.map<string, unknown>('a')
    for (const write of [
      () => map.set('x', 3),
      () => map.delete('x'),
      () => map.clear(),
      () => store.map('b'),
    ]) {
      expectError('ERR_FORKSTORE_LOG_FAILED', write)
    }
    expect(map.get('x')).toBe(2)
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => store.commit())
    await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.snapshot())
    const copy = crashCopy(path)
    vi.restoreAllMocks()
    const left = await stores.open(copy)
    left.on('recovered', () => undefined)
    expectEntries(left.map('a'), [['x', 1]])
    while (store.stats().log!.state !== 'healthy') await delay(10)
    map.set('x', 3)
    await store.commit()
    expect(warnings).toEqual(['ERR_FORKSTORE_LOG_FAILED'])
    expectEntries((await stores.open(crashCopy(path))).map('a'), [['x', 3]])
  })

  test('a snapshot that is on disk counts, also where the directory cannot be tidied', async () => {
    const { store, path, warnings } = await open()
    await store.snapshot()
    vi.spyOn(fs, 'readdirSync').mockImplementation(() => {
      throw failing('EMFILE')
    })
    syncBuiltinESMExports()
    store.map('a').set('x', 2)
    await store.snapshot()
    // The same for one that heals, for which the commit waits.
    failOnce('writeSync', 'EIO')
    store.map('a').set('x', 3)
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => store.commit())
    while (store.stats().log!.state !== 'healthy') await delay(1)
    await store.commit()
    expect(warnings).toEqual(['ERR_FORKSTORE_LOG_FAILED'])
    vi.restoreAllMocks()
    syncBuiltinESMExports()
    expectEntries((await stores.open(crashCopy(path))).map('a'), [['x', 3]])
    expect(logFiles('js', path).length).toBe(4)
    await store.snapshot()
    expect(generations('js', path).length).toBe(2)
    expect(logFiles('js', path).length).toBe(2)
    expect(store.stats().log!.segments).toBe(2)
  })

  test('a write that does half of what it shall is continued', async () => {
    const { store, path } = await open()
    const real = disk.writeSync
    vi.spyOn(disk, 'writeSync').mockImplementation((file, bytes, at, length, position) =>
      real(file, bytes, at, Math.ceil(length / 2), position),
    )
    store.map('a').set('x', 'some text')
    await store.commit()
    expectEntries((await stores.open(crashCopy(path))).map('a'), [['x', 'some text']])
  })

  test('closing while the disk refuses: an error, unless the snapshot saves everything', async () => {
    const saved = await open()
    failOnce('fdatasync', 'EIO')
    saved.store.map('a').set('x', 2)
    await saved.store.close()
    expectEntries((await stores.open(saved.path)).map('a'), [['x', 2]])
    vi.restoreAllMocks()

    const lost = await open()
    failOnce('writeSync', 'EIO', Infinity)
    lost.store.map('a').set('x', 2)
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => lost.store.close())
    vi.restoreAllMocks()
    const again = await stores.open(lost.path)
    again.on('recovered', () => undefined)
    expect(again.map('a').has('x')).toBe(true)
  })
})
