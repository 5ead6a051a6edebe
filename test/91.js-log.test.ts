// How the log of forkstore/js is read: its lines, its files, and what becomes of damage.

import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { disk } from '../lib/engines/js/disk/disk.js'
import { headerLine, logName, markLine, type LogHeader } from '../lib/engines/js/disk/log-file.js'
import { damage, generationOf, generations } from './support/directory.js'
import { expectEntries, expectRejection, expectSame } from './support/expect.js'
import { crashCopy, logFiles } from './support/log-files.js'
import { batch, good, made, set, writtenLog, type LogText } from './support/js-log.js'
import { Stores } from './support/stores.js'

const stores = new Stores('js', { snapshot: false })

const written = (...files: LogText[]): Promise<string> => writtenLog(stores, ...files)

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

  test.each<[name: string, files: LogText[], x: number]>([
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

  test.each<[name: string, files: LogText[]]>([
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
