// The log of forkstore/js: its lines, its files, and what becomes of calls of the system that fail.

import fs, {
  appendFileSync,
  fstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { ForkstoreError, Store } from '../lib/index.js'
import { disk } from '../lib/js/disk.js'
import { endLine, headerLine, logName, markLine, type LogHeader } from '../lib/js/log-file.js'
import { JsLog } from '../lib/js/log.js'
import { damage, generationOf, generations } from './support/directory.js'
import { expectEntries, expectError, expectRejection, expectSame } from './support/expect.js'
import { crashCopy, logFiles } from './support/log-files.js'
import { Stores } from './support/stores.js'

const delay = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const stores = new Stores('js', { snapshot: false })

/** A batch as it is in a file. */
function batch(sequence: number, durable: number, ...operations: unknown[]): string {
  const lines = operations
    .map((each) => `${typeof each === 'string' ? each : JSON.stringify(each)}\n`)
    .join('')
  return lines + endLine(sequence, durable, crc32(lines))
}

/** A store of one snapshot, without entries, whose logs have these texts; headers are put before them. */
async function written(...files: { text: string; header?: Partial<LogHeader> }[]): Promise<string> {
  const path = stores.directory()
  const store = await stores.open(path)
  await store.close()
  const { storeId } = JSON.parse(readFileSync(join(path, 'identity.json'), 'utf8')) as LogHeader
  files.forEach(({ text, header }, at) => {
    const whole = { storeId, generation: 1 + at, first: 1, afterFailure: false, ...header }
    writeFileSync(join(path, logName(1 + at)), headerLine(whole) + text)
  })
  return path
}

const made = ['map', 'a']
const set = (key: unknown, value: unknown): unknown[] => ['set', 'a', key, value]
const good = batch(1, 0, made, set('x', 1)) + batch(2, 1, set('x', 2))

describe('files of the log of forkstore/js', () => {
  test('a file written by hand is read', async () => {
    const path = await written({
      text:
        batch(
          1,
          0,
          made,
          set('x', 1),
          set('y', { n: 1 }),
          '{"t":[["r",0],["a","set","a",["i","-ff"],["u"]]]}',
        ) +
        batch(2, 1, ['patch', 'a', 'y', { m: [2] }], ['delete', 'a', 'x']) +
        markLine(2) +
        batch(3, 2, ['map', 'b'], ['set', 'b', 1, 2], ['clear', 'b']),
    })
    const store = await stores.open(path)
    expectEntries(store.map('a'), [['y', { n: 1, m: [2] }], [-255n, undefined]]) // prettier-ignore
    expect([...store.maps()].map(({ name }) => name)).toEqual(['a', 'b'])
    expect(store.recovered).toBe(undefined)
  })

  test('files go on where the one before ends', async () => {
    const path = await written(
      { text: batch(1, 0, made, set('x', 1)) + batch(2, 1, set('x', 2)) },
      { text: batch(3, 2, set('y', 3)), header: { first: 3 } },
      { text: '', header: { first: 4 } },
    )
    const store = await stores.open(path)
    expectEntries(store.map('a'), [['x', 2], ['y', 3]]) // prettier-ignore
  })

  const third = batch(3, 2, set('x', 3))

  test.each<[name: string, files: { text: string; header?: Partial<LogHeader> }[], x: number]>([
    ['half a line', [{ text: `${good}["set","a"` }], 2],
    ['a batch without its end', [{ text: `${good}${JSON.stringify(set('x', 3))}\n` }], 2],
    ['an end of the wrong sequence', [{ text: good + batch(7, 2, set('x', 3)) }], 2],
    ['a line that is lost', [{ text: good + third.slice(third.indexOf('\n') + 1) }], 2],
    ['a later batch of the same write', [{ text: `${good}garbage\n${batch(4, 2, set('x', 4))}` }], 2],
    [
      'a next file whose header is torn',
      [{ text: good }, { text: '', header: { storeId: 'x', first: 3 } }],
      2,
    ],
    ['files of a store that was healing', [{ text: `${good}["set` }, { text: batch(9, 0, set('x', 9)), header: { first: 9, afterFailure: true } }], 2], // prettier-ignore
  ])('a torn tail is cut: %s', async (_name, files, x) => {
    const path = await written(...files)
    const store = await stores.open(path)
    store.on('recovered', () => undefined)
    expect(store.map('a').get('x')).toBe(x)
    store.map('a').set('x', 10)
    await store.commit()
    const again = await stores.open(crashCopy(path))
    expect(again.map('a').get('x')).toBe(10)
    expect(again.recovered).toBe(undefined)
  })

  test.each<[name: string, files: { text: string; header?: Partial<LogHeader> }[]]>([
    ['a gap below what was on disk', [{ text: `${good}garbage\n${batch(4, 3, set('x', 4))}` }]],
    ['a batch that is lost, and a mark', [{ text: good + markLine(3) }]],
    ['a torn batch before a file', [{ text: `${good}["set` }, { text: '', header: { first: 3 } }]],
    ['a batch missing between files', [{ text: good }, { text: '', header: { first: 4 } }]],
    ['a header that is damaged before what counts', [{ text: good, header: { storeId: 'x' } }]],
    ['the same, in a later file', [{ text: good }, { text: third, header: { storeId: 'x', first: 3 } }]],
    ['a file under another name', [{ text: good, header: { generation: 2 } }]],
    ['an operation on no map', [{ text: batch(1, 0, set('x', 1)) + markLine(1) }]],
    ['an operation that a map does not have', [{ text: batch(1, 0, made, ['splice', 'a', 'x', 1]) }]],
    ['an operation of no kind', [{ text: batch(1, 0, made, [7, 'a', 'x', 1]) }]],
    ['a key of a kind that there is not', [{ text: batch(1, 0, made, set([1], 1)) }]],
    ['a set without a value', [{ text: batch(1, 0, made, ['set', 'a', 'x']) }]],
    ['a patch of what is no object', [{ text: batch(1, 0, made, ['patch', 'a', 'x', { n: 1 }]) }]],
  ])('damage refuses: %s', async (_name, files) => {
    const path = await written(...files)
    const error = await expectRejection('ERR_FORKSTORE_CORRUPT', () => stores.open(path))
    expect(error.message).toMatch(/log-0{19}[12]\.json: at \d+: /)
  })

  test('names like __proto__ in a file do no harm', async () => {
    const path = await written({
      text: batch(1, 0, ['map', '__proto__'], '["set","__proto__","__proto__",{"__proto__":{"polluted":true}}]', '["patch","__proto__","__proto__",{"__proto__":1}]'), // prettier-ignore
    })
    const store = await stores.open(path)
    const value = store.map('__proto__').get('__proto__') as Record<string, unknown>
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined)
  })

  test('splices of the longest array take no time for its holes', async () => {
    const [path, longest] = [[null, 'list'], 2 ** 32 - 1]
    const directory = await written({
      text: batch(
        1,
        0,
        ['set', [null], 'list', ['x', { n: 1 }]],
        ['length', path, longest - 1],
        ['splice', path, 0, 0, ['new']],
        ['splice', path, 1, longest - 1, ['y']],
        ['length', path, longest],
        ['splice', path, 0, 1, []],
      ),
    })
    const store = await stores.open(directory)
    expectSame(Object.entries(store.root['list'] as object), [['0', 'y']])
    expect(store.root['list']).toHaveLength(longest - 1)
    const tooLong = await written({
      text: batch(1, 0, ['set', [null], 'list', []], ['length', path, longest], ['splice', path, 0, 0, [1]]),
    })
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => stores.open(tooLong))
  })

  test('an operation that is not known is of a newer version: nothing is cut there', async () => {
    const newer = batch(3, 2, set('x', 3), ['twist', 'a', 'x', 1])
    for (const text of [good + newer + batch(4, 3, set('x', 4)), batch(1, 0, made, ['twist', [null], 'x'])]) {
      const path = await written({ text })
      const before = readFileSync(join(path, logName(1)))
      for (const options of [undefined, { recover: 'salvage' as const }]) {
        const error = await expectRejection('ERR_FORKSTORE_VERSION', () => stores.open(path, options))
        expect(error.message).toContain(`${logName(1)}: an operation of kind "twist"`)
      }
      expect(readFileSync(join(path, logName(1))).equals(before)).toBe(true)
      expect(readdirSync(path).filter((name) => name.includes('damaged'))).toEqual([])
    }
  })

  const inVersion = async (version: number): Promise<string> => {
    const path = await written({ text: good })
    const file = join(path, logName(1))
    const text = readFileSync(file, 'utf8')
    const { crc: _, ...fields } = JSON.parse(text.slice(0, text.indexOf('\n'))) as Record<string, unknown>
    const crc = crc32(JSON.stringify({ ...fields, version, crc: '' }))
      .toString(16)
      .padStart(8, '0')
    writeFileSync(file, `${JSON.stringify({ ...fields, version, crc })}\n${good}`)
    return path
  }

  test('another version is an error of its own', async () => {
    const path = await inVersion(3)
    const error = await expectRejection('ERR_FORKSTORE_VERSION', () => stores.open(path))
    expect(error.message).toContain('version 3')
  })

  test('version 1 is read', async () => {
    const [older, newer] = [await stores.open(await inVersion(1)), await stores.open(await inVersion(2))]
    expect(older.stats().entries).toBeGreaterThan(0)
    expectEntries(older.map('a'), newer.map('a').entries())
  })

  test('the log of a directory without a snapshot is data that was removed', async () => {
    const path = stores.directory()
    mkdirSync(path)
    const header = { storeId: 'x', generation: 1, first: 1, afterFailure: false }
    writeFileSync(join(path, logName(1)), headerLine(header) + good)
    writeFileSync(join(path, 'identity.json'), '{"format":"forkstore-js","version":1,"storeId":"x"}')
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => stores.open(path))
  })

  test('what follows a snapshot that was taken without a log is void', async () => {
    const path = stores.directory()
    const store = await stores.open(path, { durability: 'snapshot', snapshot: {} })
    store.map('a').set('x', 1)
    await store.close()
    appendFileSync(join(path, logName(2)), 'anything')
    expectEntries((await stores.open(path)).map('a'), [['x', 1]])
  })

  test('what the log of a newer snapshot holds is not void, when that is damaged or gone', async () => {
    for (const how of ['damaged', 'gone', 'gone, and the first file']) {
      const path = stores.directory()
      const first = await stores.open(path, { durability: 'snapshot' })
      first.map('a').set('x', 1)
      await first.snapshot()
      await first.close()
      const store = await stores.open(path, { snapshot: { keep: 10, everyMs: 0, onClose: false } })
      store.map('a').set('y', 2)
      await store.commit()
      if (how === 'gone, and the first file') await store.snapshot()
      const copy = crashCopy(path)
      const newer = generations('js', copy).filter((name) => generationOf(name) > 2)
      expect(newer.length).toBe(how === 'gone, and the first file' ? 2 : 1)
      for (const name of newer) {
        if (how === 'damaged') damage(copy, name)
        else rmSync(join(copy, name))
      }
      // Its header alone is proof of what was before it.
      if (how === 'gone, and the first file') rmSync(join(copy, logFiles('js', copy)[0]!))
      const [log] = logFiles('js', copy) as [string]
      const bytes = readFileSync(join(copy, log))
      for (const durability of ['snapshot', 'commit'] as const) {
        const error = await expectRejection('ERR_FORKSTORE_CORRUPT', () => stores.open(copy, { durability }))
        expect(error.message).toContain(log)
      }
      for (const durability of ['snapshot', 'commit'] as const) {
        const again = crashCopy(copy)
        const salvaged = await stores.open(again, { durability, recover: 'salvage' })
        salvaged.on('recovered', () => undefined)
        expectEntries(salvaged.map('a'), [['x', 1]])
        expect(salvaged.recovered!.log!.salvaged!.copies).toEqual([`${log}.damaged`])
        expect(readFileSync(join(again, `${log}.damaged`)).equals(bytes)).toBe(true)
        await salvaged.close()
        expect((await stores.open(again)).recovered?.log).toBe(undefined)
      }
    }
  })

  test('a torn tail before a log that a damaged snapshot healed: salvage keeps all that it takes away', async () => {
    const healed = { first: 9, afterFailure: true }
    const path = await written({ text: `${good}["set` }, { text: batch(9, 8, set('x', 9)), header: healed })
    const snapshot = 'snapshot-00000000000000000002.json'
    writeFileSync(join(path, snapshot), 'damaged')
    const interrupted = crashCopy(path)
    // As an opening leaves it that was cut off once it had set the snapshot aside.
    renameSync(join(interrupted, snapshot), join(interrupted, `${snapshot}.damaged`))
    for (const each of [path, interrupted]) {
      const error = await expectRejection('ERR_FORKSTORE_CORRUPT', () => stores.open(each))
      expect(error.message).toContain('the snapshot that it follows is damaged')
      const logs = [logName(1), logName(2)].map((name) => readFileSync(join(each, name)))
      const store = await stores.open(each, { recover: 'salvage' })
      store.on('recovered', () => undefined)
      expectEntries(store.map('a'), [['x', 2]])
      const copies = [1, 2].map((generation) => `${logName(generation)}.damaged`)
      expect(store.recovered!.log!.salvaged!.copies).toEqual(copies)
      expect(copies.map((name) => readFileSync(join(each, name)))).toEqual(logs)
      expect(readFileSync(join(each, `${snapshot}.damaged`), 'utf8')).toBe('damaged')
    }
  })

  test('a damaged snapshot that cannot be set aside: opening takes it as it is, salvage does not', async () => {
    const path = await written({ text: good })
    const snapshot = join(path, 'snapshot-00000000000000000002.json')
    writeFileSync(snapshot, 'damaged')
    const torn = crashCopy(path)
    appendFileSync(join(torn, logName(1)), `garbage\n${markLine(3)}`)
    const { renameSync: real } = disk
    vi.spyOn(disk, 'renameSync').mockImplementation((from, to) => {
      if (to.includes('.damaged')) throw Object.assign(new Error('EIO: as the test says'), { code: 'EIO', errno: -5 }) // prettier-ignore
      real(from, to)
    })
    try {
      const store = await stores.open(path)
      store.on('recovered', () => undefined)
      expect(store.map('a').get('x')).toBe(2)
      expect(readFileSync(snapshot, 'utf8')).toBe('damaged')
      await expectRejection('ERR_FORKSTORE_IO', () => stores.open(torn, { recover: 'salvage' }))
    } finally {
      vi.restoreAllMocks()
    }
    const salvaged = await stores.open(torn, { recover: 'salvage' })
    salvaged.on('recovered', () => undefined)
    expect(salvaged.map('a').get('x')).toBe(2)
  })

  test.each([
    ['before its header', (header: string) => header.slice(0, 20)],
    ['before its snapshot', (header: string) => header],
    ['and closed, and nothing was written', (header: string) => header + markLine(0)],
  ])('a log that was begun is void where it ends %s', async (_name, edit) => {
    const path = stores.directory()
    const first = await stores.open(path, { durability: 'snapshot' })
    first.map('a').set('x', 1)
    await first.snapshot()
    await first.close()
    const { storeId } = JSON.parse(readFileSync(join(path, 'identity.json'), 'utf8')) as LogHeader
    writeFileSync(
      join(path, logName(3)),
      edit(headerLine({ storeId, generation: 3, first: 1, afterFailure: false })),
    )
    const store = await stores.open(path)
    expectEntries(store.map('a'), [['x', 1]])
    expect(store.recovered).toBe(undefined)
  })

  test('the log of a directory without any snapshot is not taken for a new store', async () => {
    const path = stores.directory()
    mkdirSync(path)
    const header = headerLine({ storeId: 'x'.repeat(32), generation: 1, first: 1, afterFailure: false })
    writeFileSync(join(path, logName(1)), header + good)
    for (const recover of [undefined, 'salvage' as const]) {
      await expectRejection('ERR_FORKSTORE_CORRUPT', () => stores.open(path, recover && { recover }))
    }
    // What is left of a store whose making was cut off.
    writeFileSync(join(path, logName(1)), header)
    expectEntries((await stores.open(path)).map('a'), [])
  })

  test('salvage never ends in the middle of a batch, also where an operation is refused', async () => {
    const half = batch(3, 2, set('x', 'half'), set('y', 'half'), ['set', 'no map', 'y', 1])
    const path = await written({ text: good + half + batch(4, 3, set('x', 4)) })
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => stores.open(path))
    const store = await stores.open(path, { recover: 'salvage' })
    store.on('recovered', () => undefined)
    expectEntries(store.map('a'), [['x', 2]])
    expect(store.stats().writes).toBe(2)
    expect(store.recovered!.log!.salvaged!.reason).toContain('a map that there is not')
    store.map('a').set('x', 5)
    await store.commit()
    expectEntries((await stores.open(crashCopy(path))).map('a'), [['x', 5]])
  })

  test('an operation that is refused in the first batch leaves the snapshot', async () => {
    const path = stores.directory()
    const first = await stores.open(path)
    first.map('a').set('x', 1)
    await first.snapshot()
    await first.close()
    const [name] = logFiles('js', path).slice(-1) as [string]
    const log = readFileSync(join(path, name), 'utf8')
    const header = log.slice(0, log.indexOf('\n') + 1)
    const sequence = (JSON.parse(header) as LogHeader).first
    const half = batch(sequence, sequence - 1, set('x', 2), ['set', 'no map', 'y', 1])
    writeFileSync(join(path, name), header + half)
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => stores.open(path))
    const store = await stores.open(path, { recover: 'salvage' })
    store.on('recovered', () => undefined)
    expectEntries(store.map('a'), [['x', 1]])
    expect(store.recovered!.log!.salvaged!.copies).toEqual([`${name}.damaged`])
  })
})

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
