import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { open } from '../../lib/index.js'
import { generations, identityName } from '../support/directory.js'
import { openEngine, type EngineName } from '../support/engines.js'
import { expectError, expectRejection } from '../support/expect.js'
import { Stores } from '../support/stores.js'

/** open, close and everything around them. */
export function openSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  test('memory only', async () => {
    const store = await stores.open()
    expect(store.path).toBe(undefined)
    expect(store.engine).toBe(engine)
    store.map('a').set('b', 1)
    expect(store.stats().entries).toBe(1)
    await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => store.snapshot())
    await store.close()
  })

  test('options alone mean memory only', async () => {
    const store = await open({ engine, maxBytes: 2 ** 26 })
    expect(store.path).toBe(undefined)
    await store.close()
    const { code, message } = await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
      open(undefined as never, { engine }),
    )
    expect(message, code).toContain('path is undefined')
    await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open(undefined as never))
  })

  test('a file: URL is a path', async () => {
    const path = join(stores.directory(), 'a b%')
    const store = await open(pathToFileURL(path), { engine })
    expect(store.path).toBe(path)
    store.map('a').set('b', 1)
    await store.close()
    expect((await stores.open(path)).map('a').get('b')).toBe(1)
    const wrong = [
      'https://example.com/data',
      'data:text/plain,x',
      'file:///a%00b',
      'file:///a%2Fb',
      'file://host/a',
    ]
    for (const url of wrong) {
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open(new URL(url), { engine }))
    }
  })

  test('a string that looks like a URL is no path, and makes no directory', async () => {
    const texts = ['http://x', 'https:/x', 'HTTP://x', 's3://bucket/x', 'git+ssh://x', 'sqlite.v3:/x']
    for (const text of [...texts, 'file:///a', 'file:/a', 'file:a', 'File:', 'FILE://host/a']) {
      const { message } = await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
        open(text, { engine }),
      )
      expect(message).toContain(text)
      expect(message).toContain('URL object')
      expect(existsSync(text.split('/')[0]!)).toBe(false)
    }
    // These only have a colon; and what begins like a path is one.
    const folder = stores.directory()
    for (const name of ['a:b', 'x:/y', 'http:']) {
      const path = join(folder, name)
      expect((await stores.open(relative(process.cwd(), path))).path).toBe(path)
    }
    const { path } = await stores.open(`./${relative(process.cwd(), folder)}/http://x`)
    expect(path).toBe(join(folder, 'http:', 'x'))
  })

  test('what is no plain object is no options', async () => {
    class Options {}
    const path = stores.directory()
    for (const wrong of [
      Promise.resolve('x'),
      new Date(),
      new Map(),
      new Options(),
      /x/,
      Buffer.from('x'),
      [],
    ]) {
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open(wrong as never))
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open(path, wrong as never))
      const inside = { engine, snapshot: wrong } as never
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open(inside))
    }
    expect(existsSync(path)).toBe(false)
  })

  test('the least that data can be given', async () => {
    const store = await stores.open(undefined, { maxBytes: 2 ** 22 })
    store.map('a').set('b', 1)
    await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open({ engine, maxBytes: 2 ** 22 - 1 }))
  })

  test('below a place where nothing can be made, an I/O error', async () => {
    await expectRejection('ERR_FORKSTORE_IO', () => openEngine(engine, '/proc/nope/x'))
  })

  test('memory only leaves nothing behind, with automatic snapshots asked for', async () => {
    const store = await stores.open(undefined, { snapshot: { everyMs: 1, afterWrites: 1 } })
    const failures: unknown[] = []
    store.on('snapshot-error', (error) => failures.push(error))
    store.map('a').set('b', 1)
    await new Promise((done) => setTimeout(done, 20))
    await store.close()
    expect(failures).toEqual([])
  })

  test('a path: directories are made, and generation 1 is there at once', async () => {
    const path = join(stores.directory(), 'a', 'b')
    const store = await stores.open(path)
    expect(store.path).toBe(path)
    expect(generations(engine, path).map((name) => Number(/\d{20}/.exec(name)![0]))).toEqual([1])
    expect(existsSync(join(path, identityName(engine)))).toBe(true)
  })

  test('a relative path becomes absolute', async () => {
    const path = stores.directory()
    const store = await stores.open(relative(process.cwd(), path))
    expect(store.path).toBe(path)
  })

  test('an empty directory, and one with other files in it, is a new store', async () => {
    const path = stores.directory()
    mkdirSync(path)
    writeFileSync(join(path, 'README'), 'mine')
    const store = await stores.open(path)
    expect(store.stats().entries).toBe(0)
    await store.close()
    expect(existsSync(join(path, 'README'))).toBe(true)
  })

  test('a path that is a file, or in a file, is an I/O error', async () => {
    const path = stores.directory()
    writeFileSync(path, 'a file')
    for (const create of [true, false]) {
      for (const [at, words] of [
        [path, 'is a file'],
        [join(path, 'below'), 'lies below a file'],
      ] as const) {
        const error = await expectRejection('ERR_FORKSTORE_IO', () => openEngine(engine, at, { create }))
        expect(error.message).toContain(`${at} ${words}, which is not a directory`)
        expect(error.cause).toMatchObject({ code: 'ENOTDIR' })
      }
    }
  })

  test('a directory of the other engine is refused, and stays as it is', async () => {
    const path = stores.directory()
    mkdirSync(path)
    for (const name of engine === 'js'
      ? ['identity', 'snapshot-00000000000000000007.image']
      : ['identity.json', 'snapshot-00000000000000000007.json']) {
      writeFileSync(join(path, name), 'x')
    }
    const error = await expectRejection('ERR_FORKSTORE_VERSION', () => openEngine(engine, path))
    expect(error.message).toContain(engine === 'js' ? "engine: 'native'" : "engine: 'js'")
    expect(generations(engine, path)).toEqual([])
  })

  test('wrong paths', async () => {
    for (const path of ['', 'a\0b', 1, null, true, Symbol('s'), () => 1] as never[]) {
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open(path, { engine }))
    }
    await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open({ engine } as never, { engine }))
  })

  test('wrong options', async () => {
    const path = stores.directory()
    const wrong: unknown[] = [
      ...[null, 1, 'x', []].filter((each) => each !== null),
      { unknown: 1 },
      ...['always', '', 1, true, null, {}]
        .filter((each) => each !== null)
        .map((durability) => ({ engine, durability })),
      ...['', true, 1, {}].map((recover) => ({ engine, recover })),
      ...['x', true, 1, {}].map((onProgress) => ({ engine, onProgress })),
      ...['Native', '', 1, null, {}].filter((each) => each !== null).map((name) => ({ engine: name })),
      ...['1', 0, -1, 1.5, NaN, Infinity, 2 ** 20, 2 ** 39, 1n, {}].map((maxBytes) => ({ engine, maxBytes })),
      ...[true, 1, 'x', [], () => 1].map((snapshot) => ({ engine, snapshot })),
      { engine, snapshot: { every: 1 } },
      ...['1', -1, 1.5, NaN, Infinity, 2 ** 31, true].flatMap((ms) => [
        { engine, snapshot: { everyMs: ms } },
        { engine, snapshot: { watchdogMs: ms } },
      ]),
      { engine, snapshot: { watchdogMs: 0 } },
      ...['1', -1, 1.5, NaN, Infinity, true].map((afterWrites) => ({ engine, snapshot: { afterWrites } })),
      ...['1', 0, -1, 1.5, NaN, Infinity].map((keep) => ({ engine, snapshot: { keep } })),
      ...[1, 'true', {}].map((onClose) => ({ engine, snapshot: { onClose } })),
      ...['1', 0, -1, 2 ** 20 - 1, 2 ** 20 + 0.5, NaN, Infinity, 2 ** 53, null, 2n ** 20n].map(
        (maxBytesPerSecond) => ({ engine, snapshot: { maxBytesPerSecond } }),
      ),
    ]
    for (const options of wrong) {
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open(path, options as never))
    }
    expect(existsSync(path)).toBe(false)
    const message = (
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open({ maxbytes: 1 } as never))
    ).message
    expect(message).toContain("no option 'maxbytes'")
  })

  test('undefined options are as if they were not given', async () => {
    const options = { maxBytes: undefined, snapshot: { keep: undefined, everyMs: undefined } }
    const store = await open({ ...options, engine } as never)
    await store.close()
  })

  test('wrong map names', async () => {
    const store = await stores.open()
    for (const name of ['', undefined, null, 1, {}, Symbol('s')] as never[]) {
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => store.map(name))
      expectError('ERR_FORKSTORE_INVALID_ARGUMENT', () => store.dropMap(name))
    }
    expect(store.stats().maps).toBe(0)
    expect([...store.maps()].map(({ name }) => name)).toEqual([])
  })

  test('after close everything says so', async () => {
    const store = await stores.open(stores.directory())
    const map = store.map<string, { n: number }>('users').set('a', { n: 1 })
    const closed = store.close()
    const uses: (() => unknown)[] = [
      () => store.map('users'),
      () => store.map('others'),
      () => store.stats(),
      () => map.size,
      () => map.get('a'),
      () => map.has('a'),
      () => map.set('a', { n: 2 }),
      () => map.delete('a'),
      () => map.delete('nobody'),
      () => map.clear(),
      () => map.patch('a', { n: 2 }),
      () => map.increment('a', 'n'),
      () => map.keys(),
      () => map.values(),
      () => map.entries(),
      () => [...map],
      () => map.forEach(() => undefined),
      () => map.getOrInsert('a', { n: 1 }),
      () => map.getOrInsertComputed('a', () => ({ n: 1 })),
    ]
    // While it is being closed too: what is written then would be lost.
    for (const use of uses) expectError('ERR_FORKSTORE_CLOSED', use)
    await closed
    for (const use of uses) expectError('ERR_FORKSTORE_CLOSED', use)
    await expectRejection('ERR_FORKSTORE_CLOSED', () => store.snapshot())
  })

  test('close may be called again', async () => {
    const store = await stores.open(stores.directory())
    const first = store.close()
    expect(store.close()).toBe(first)
    await first
    expect(store.close()).toBe(first)
  })

  test('a getter that closes the store', async () => {
    const store = await stores.open()
    const map = store.map<string, unknown>('users').set('a', { n: 1 })
    const value = { get bad() { void store.close(); return 'a text that is long enough' } } // prettier-ignore
    expectError('ERR_FORKSTORE_CLOSED', () => map.set('a', value))
    await store.close()
    expectError('ERR_FORKSTORE_CLOSED', () => map.set('a', value))
  })

  test('await using', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('b', 1)
    expect(await store[Symbol.asyncDispose]()).toBe(undefined)
    expectError('ERR_FORKSTORE_CLOSED', () => store.stats())
    expect((await stores.open(path)).map('a').get('b')).toBe(1)
  })

  test('two stores at once are two stores', async () => {
    const base = dirname(stores.directory())
    const one = await stores.open(join(base, 'one'))
    const two = await stores.open(join(base, 'two'))
    const three = await stores.open()
    one.map('m').set('k', 1)
    two.map('m').set('k', 2)
    expect(three.map('m').has('k')).toBe(false)
    await one.close()
    expect(two.map('m').get('k')).toBe(2)
    expect((await stores.open(join(base, 'one'))).map('m').get('k')).toBe(1)
  })

  test('stats', async () => {
    const store = await stores.open(stores.directory())
    const { writes } = store.stats()
    store.map('users').set('a', 1).set('b', 2)
    store.map('empty')
    const stats = store.stats()
    expect(stats.engine).toBe(engine)
    expect(stats.entries).toBe(2)
    expect(stats.writes).toBeGreaterThanOrEqual(writes + 2)
    expect(stats.maps).toBe(2)
    expect([...store.maps()].map(({ name }) => name)).toEqual(['users', 'empty'])
    expect(Object.keys(stats.bytes).sort()).toEqual(['dirty', 'free', 'huge', 'live', 'mapped', 'max'])
    expect(stats.snapshot).toEqual({ running: false, bytesWritten: 0, last: undefined, failures: 0 })
  })
}
