import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, test, vi } from 'vitest'
import { open } from '../lib/js.js'
import { lockTimes } from '../lib/engines/js/disk/lock-holder.js'
import { presentItems, spliceItems } from '../lib/engines/js/data/containers.js'
import { fromTagged, toTagged } from '../lib/engines/js/disk/tagged.js'
import { expectError, expectRejection, expectSame } from './support/expect.js'
import { storable } from './support/samples.js'
import { Stores } from './support/stores.js'

const ZERO_DIGEST = '0'.repeat(64)

interface Header {
  format: string
  version: unknown
  storeId: string
  generation: number
  writes: number
  maps: number
  entries: number
}

/** Writes a directory whose one snapshot has these lines, and a digest that is right. */
function writeStore(path: string, lines: unknown[], header: Partial<Header> = {}): void {
  const storeId = 'ab'.repeat(16)
  const whole = { format: 'forkstore-js', version: 1, sha256: ZERO_DIGEST, storeId, generation: 1, writes: 0, maps: 1, entries: 1, ...header } // prettier-ignore
  const body = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')
  const sha256 = createHash('sha256')
    .update(`${JSON.stringify(whole)}\n${body}`)
    .digest('hex')
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'identity.json'), JSON.stringify({ format: 'forkstore-js', version: 1, storeId }))
  writeFileSync(
    join(path, 'snapshot-00000000000000000001.json'),
    `${JSON.stringify({ ...whole, sha256 })}\n${body}`,
  )
}

describe('files of forkstore/js', () => {
  const stores = new Stores('js')

  test('a file written by hand is read', async () => {
    const path = stores.directory()
    writeStore(path, [['map', 'a'], ['json', 'k', { b: [1] }], ['tagged', [['i', '-ff']], [['r', 0], ['o', 'u', ['u']]]]], { entries: 2 }) // prettier-ignore
    const store = await open(path)
    expectSame([...store.map('a')], [['k', { b: [1] }], [-255n, { u: undefined }]]) // prettier-ignore
    await store.close()
  })

  test('hostile files with a digest that is right are refused', async () => {
    const map = ['map', 'a']
    const tagged = (value: unknown): unknown[] => [map, ['tagged', ['k'], value]]
    const bad: [lines: unknown[], header?: Partial<Header>][] = [
      [[]],
      [[map]],
      [[map, ['json', 'k', 1]], { entries: 2 }],
      [[map, ['json', 'k', 1]], { maps: 2 }],
      [[map, ['json', 'k', 1]], { generation: 2 }],
      [[map, ['json', 'k', 1]], { storeId: 'cd'.repeat(16) }],
      [[map, ['json', 'k', 1]], { writes: -1 }],
      [[map, ['json', 'k', 1]], { entries: '1' as never }],
      [[map, ['json', 'k', 1, 'k', 2]], { entries: 2 }],
      [[['json', 'k', 1]], { maps: 0 }],
      [[map, ['json', 'k']]],
      [[map, ['json', null, 1]]],
      [[map, ['json', { a: 1 }, 1]]],
      [[map, ['other', 'k', 1]]],
      [[map, map, ['json', 'k', 1]], { maps: 2 }],
      [[['map', ''], ['json', 'k', 1]]], // prettier-ignore
      [[['map', 5], ['json', 'k', 1]]], // prettier-ignore
      [[map, 'no JSON']],
      [[map, '5']],
      [[map, '']],
      [[map, ['tagged', [null], [1]]]],
      [[map, ['tagged', 'k', [1]]]],
      ...[5, [], {}, null, [{}], [['x']], [[]], [['n', '5']], [['i', 'xyz']], [['i', 5]], [['d', 'x']], [['b', 5]]].map((value): [unknown[]] => [tagged(value)]), // prettier-ignore
      [tagged([['r', 0]])],
      [tagged([['r', 1], ['a']])], // prettier-ignore
      [tagged([['r', -1], ['a']])], // prettier-ignore
      [tagged([['r', 0.5], ['a']])], // prettier-ignore
      [tagged([['r', 0], ['a', ['r', 0]]])], // prettier-ignore
      [tagged([['r', 0], ['a', ['r', 1], ['r', 1]], ['a']])], // prettier-ignore
      [tagged([['r', 0], ['a', ['r', 1]], ['a', ['r', 0]]])], // prettier-ignore
      [tagged([1, ['a']])],
      [tagged([['r', 0], ['z']])], // prettier-ignore
      [tagged([['r', 0], 5])], // prettier-ignore
      [tagged([['r', 0], ['o', 'name']])], // prettier-ignore
      [tagged([['r', 0], ['o', 5, 5]])], // prettier-ignore
      [tagged([['r', 0], ['o', 'n', 1, 'n', 2]])], // prettier-ignore
      [tagged([['r', 0], ['a', ['h', -1]]])], // prettier-ignore
      [tagged([['r', 0], ['a', ['h', 1e15]]])], // prettier-ignore
      [tagged([['r', 0], ['o', 'n', ['h', 1]]])], // prettier-ignore
    ]
    for (const [lines, header] of bad) {
      const path = stores.directory()
      writeStore(path, lines, header)
      await expectRejection('ERR_FORKSTORE_CORRUPT', () => open(path))
    }
  })

  test('names like __proto__ in a file do no harm', async () => {
    const path = stores.directory()
    writeStore(path, [['map', '__proto__'], '["json","__proto__",{"__proto__":{"polluted":true}}]'])
    const store = await open(path)
    const value = store.map('__proto__').get('__proto__') as Record<string, unknown>
    expect(value['polluted']).toBe(undefined)
    expect(Object.keys(value)).toEqual(['__proto__'])
    await store.close()
  })

  test('another version is an error of its own, where the digest is right', async () => {
    const path = stores.directory()
    writeStore(path, [['something', 'new']], { version: 3 })
    const error = await expectRejection('ERR_FORKSTORE_VERSION', () => open(path))
    expect(error.message).toContain('version 3')
    const file = join(path, 'snapshot-00000000000000000001.json')
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n`)
    await expectRejection('ERR_FORKSTORE_CORRUPT', () => open(path))
    writeFileSync(
      join(path, 'identity.json'),
      JSON.stringify({ format: 'forkstore-js', version: 2, storeId: 'x' }),
    )
    await expectRejection('ERR_FORKSTORE_VERSION', () => open(path))
  })

  test('a batch that is longer than a string may be is split', async () => {
    const path = stores.directory()
    const store = await open(path)
    const text = 'x'.repeat(2 ** 25)
    for (let index = 0; index < 17; index++) store.map('a').set(index, text)
    await store.close()
    const again = await open(path)
    expect(again.map('a').size).toBe(17)
    for (const value of again.map('a').values()) expect(value === text).toBe(true)
    await again.close()
  })

  test('one value that is longer than a string may be fails the snapshot, not the store', async () => {
    const store = await stores.open(stores.directory(), { durability: 'snapshot' })
    store
      .map('a')
      .set('big', Buffer.alloc(2 ** 29))
      .set('small', 1)
    const error = await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.snapshot())
    expect(error.cause).toBeInstanceOf(Error)
    expect(readdirSync(store.path!).filter((name) => name.endsWith('.tmp'))).toEqual([])
    store.map('a').delete('big')
    expect((await store.snapshot()).entries).toBe(1)
  })

  test('one that the log cannot hold is refused, and nothing is changed', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const map = store.map<string, unknown>('a').set('big', 'small')
    expectError('ERR_FORKSTORE_TOO_LARGE', () => map.set('big', Buffer.alloc(2 ** 29)))
    expect(map.get('big')).toBe('small')
    await store.close()
    expect((await stores.open(path)).map('a').get('big')).toBe('small')
  })

  test.each(storable)('table form: $name', ({ name, value, ...rest }) => {
    if (name === 'objects of another realm' || name === 'getters') return
    const expected = 'stored' in rest ? rest.stored : value
    const text = JSON.stringify(toTagged(expected))
    expectSame(fromTagged(JSON.parse(text)), expected)
  })
})

describe('lock of forkstore/js', () => {
  const stores = new Stores('js')
  const withLock = async (text: string): Promise<string> => {
    const path = stores.directory()
    await (await open(path)).close()
    expect(existsSync(join(path, 'lock.json'))).toBe(false)
    writeFileSync(join(path, 'lock.json'), text)
    return path
  }

  test.each([
    ['a process that is no more', JSON.stringify({ pid: 2 ** 22 + 1, started: null })],
    ['a process whose number another one has now', JSON.stringify({ pid: process.pid, started: 'before' })],
    [
      'a thread of this process that is no more',
      JSON.stringify({ pid: process.pid, thread: 2 ** 22 + 1, started: null }),
    ],
    ['nobody: no JSON', '{'],
    ['nobody: another JSON', 'null'],
    ['nobody: no number', '{"pid":"1"}'],
  ])('the lock of %s is taken over', async (_name, text) => {
    if (process.platform !== 'linux' && /before|thread/.test(text)) return
    const path = await withLock(text)
    const store = await open(path)
    expect(JSON.parse(readFileSync(join(path, 'lock.json'), 'utf8'))).toMatchObject({ pid: process.pid })
    await store.close()
    expect(readdirSync(path).filter((name) => name.startsWith('lock'))).toEqual([])
  })

  test.runIf(process.platform === 'linux')(
    'the lock of a worker that was terminated is taken over, that of one that runs is not',
    async () => {
      const path = stores.directory()
      const library = new URL('../dist/js.js', import.meta.url).href
      const code = `
        const { parentPort, workerData } = require('node:worker_threads')
        void import(workerData.library).then(async ({ open }) => {
          const store = await open(workerData.path)
          store.map('a').set('x', 1)
          await store.commit()
          parentPort.postMessage('open')
          setInterval(() => {}, 1000)
        })`
      const worker = new Worker(code, { eval: true, workerData: { library, path } })
      await new Promise((done, failed) => worker.once('message', done).once('error', failed))
      await expectRejection('ERR_FORKSTORE_LOCKED', () => open(path))
      await worker.terminate()
      const store = await open(path)
      expect(store.map('a').get('x')).toBe(1)
      await store.close()
    },
  )

  test('a running process whose start is not known holds it', async () => {
    const path = await withLock(JSON.stringify({ pid: process.ppid, started: null }))
    const error = await expectRejection('ERR_FORKSTORE_LOCKED', () => open(path))
    expect(error.message).toContain(`process ${process.ppid}`)
    expect(existsSync(join(path, 'lock.json'))).toBe(true)
  })

  test('a lock without a text is one that is being taken, or was left behind: its age tells', async () => {
    const path = await withLock('')
    await expectRejection('ERR_FORKSTORE_LOCKED', () => open(path))
    utimesSync(join(path, 'lock.json'), new Date(), new Date(Date.now() - 2 * lockTimes.emptyMs))
    await (await open(path)).close()
  })

  test('a lock that somebody else has taken meanwhile is not removed by close', async () => {
    const path = stores.directory()
    const store = await open(path)
    unlinkSync(join(path, 'lock.json'))
    writeFileSync(join(path, 'lock.json'), '{"pid":1}')
    await store.close().catch(() => undefined)
    expect(readFileSync(join(path, 'lock.json'), 'utf8')).toBe('{"pid":1}')
  })
})

describe('arrays of forkstore/js', () => {
  test('splices of arrays, full or mostly holes, do what those of JavaScript do, and can be taken back', () => {
    let seed = 1
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    const make = (length: number, step: number): unknown[] => {
      const array = new Array<unknown>(length)
      for (let index = random(step); index < length; index += 1 + random(2 * step))
        array[index] = random(1000)
      return array
    }
    const steps = [1, 3, 15, 16, 40, 3000]
    for (let round = 0; round < 90; round++) {
      const array = make(random(40_000), steps[round % 6]!)
      // Full ones behind or before holes.
      if (round % 4 === 1) array.push(...make(3000, 1))
      if (round % 4 === 2) array.unshift(...make(3000, 1))
      const before = array.slice()
      const start = random(array.length + 1)
      const count = random(array.length - start + 1)
      const items = random(3) === 0 ? make(count, 2) : make(random(3) * 2500, steps[random(6)]!)
      const expected = array.slice(0, start).concat(items, array.slice(start + count))
      const removed = spliceItems(array, start, count, items)
      expectSame(array, expected)
      const found = new Array<unknown>(removed.length)
      removed.forEach((value, index) => (found[index] = value))
      expectSame(found, before.slice(start, start + count))
      spliceItems(array, start, items.length, removed)
      expectSame(array, before)
      const present: [number, unknown][] = []
      before.forEach((value, index) => {
        if (index >= start && index < start + count) present.push([index, value])
      })
      expectSame(presentItems(array, start, start + count), present)
    }
  })

  test('items far apart are found by going over the names once', async () => {
    await using store = await open()
    store.root['list'] = []
    const list = store.root['list'] as unknown[]
    for (let n = 0; n < 200; n++) list[n * 100_000] = n
    const names = vi.spyOn(Object, 'keys')
    list.length = 1000
    expect(names.mock.calls.filter(([of]) => Array.isArray(of)).length).toBe(1)
    names.mockRestore()
    expect(Object.keys(list)).toEqual(['0'])
  })
})
