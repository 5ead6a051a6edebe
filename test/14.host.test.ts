// What the process around a store brings along: timers that were replaced, signals, listeners that throw.

import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { open } from '../lib/index.js'
import { engines, openEngine } from './support/engines.js'
import { expectRejection } from './support/expect.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-host-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})
const root = fileURLToPath(new URL('..', import.meta.url))

describe.each(engines)('timers (%s)', (engine) => {
  test('those of a test framework stand still, and the store goes on', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'] }) // prettier-ignore
    try {
      const path = join(base, `fake-${engine}`)
      const store = await openEngine(engine, path)
      store.map('m').set('a', 1)
      await store.commit()
      await store.snapshot()
      await store.close()
      const again = await openEngine(engine, path)
      expect(again.map('m').get('a')).toBe(1)
      await again.close()
    } finally {
      vi.useRealTimers()
    }
  })

  test('those of a browser are numbers, also before the library is loaded', () => {
    const program = `
      for (const name of ['setTimeout', 'setInterval', 'setImmediate']) globalThis[name] = () => 1
      for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate']) globalThis[name] = () => undefined
      const { open } = await import('./dist/index.js')
      const store = await open(${JSON.stringify(join(base, `browser-${engine}`))}, { engine: '${engine}' })
      store.map('m').set('a', 1)
      await store.commit()
      await store.close()
      console.log('closed')`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect(stdout, stderr).toBe('closed\n')
  })
})

describe.each(engines)('opening (%s)', (engine) => {
  test('a store that cannot be made leaves no lock behind', async () => {
    const path = join(base, `unmade-${engine}`)
    const spy = vi.spyOn(process, 'on').mockImplementation(() => {
      throw new Error('no listeners today')
    })
    try {
      await expect(openEngine(engine, path)).rejects.toThrow('no listeners today')
    } finally {
      spy.mockRestore()
    }
    await (await openEngine(engine, path)).close()
  })

  test('create: false makes nothing', async () => {
    const path = join(base, `none-${engine}`)
    const { message } = await expectRejection('ERR_FORKSTORE_NOT_FOUND', () =>
      openEngine(engine, path, { create: false }),
    )
    expect(message).toContain(path)
    await expectRejection('ERR_FORKSTORE_NOT_FOUND', () => openEngine(engine, base, { create: false }))
    await (await openEngine(engine, path)).close()
    await (await openEngine(engine, path, { create: false })).close()
    await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () => open({ engine, create: false }))
    await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
      openEngine(engine, path, { create: 1 as never }),
    )
  })

  test.each([['SIGTERM'], [['SIGKILL']], [['SIGSTOP']], [['SIGNAL']], [[15]], [['toString']]])(
    'closeOn: %j is refused',
    async (signals) => {
      await expectRejection('ERR_FORKSTORE_INVALID_ARGUMENT', () =>
        openEngine(engine, undefined, { closeOn: signals as never }),
      )
    },
  )
})

describe.each(engines)('closeOn (%s)', (engine) => {
  const run = async (
    how: string,
    signals: NodeJS.Signals[],
  ): Promise<{ code: number | null; signal: string | null; output: string; path: string }> => {
    const path = join(base, `${engine}-${how.replaceAll(/\W+/g, '-')}-${signals.join('-')}`)
    const child = fork(join(root, 'test/faults/close-on.mjs'), [how, engine, path], { silent: true })
    let output = ''
    child.stdout!.on('data', (text) => (output += String(text)))
    child.stderr!.on('data', (text) => (output += String(text)))
    await new Promise((ready, failed) => child.once('message', ready).once('exit', failed))
    const ended = new Promise<[number | null, string | null]>((done) =>
      child.once('close', (...end) => done(end)),
    )
    const [first, second] = signals
    child.kill(first)
    if (second !== undefined) {
      // Two of a kind are one, as long as the first has not arrived.
      while (!output.includes('closing')) await once(child.stdout!, 'data')
      child.kill(second)
    }
    const [code, signal] = await ended
    return { code, signal, output, path }
  }
  const expectClosed = async (path: string): Promise<void> => {
    for (const name of ['a', 'b']) {
      const store = await openEngine(engine, `${path}-${name}`)
      expect(store.map('m').get('k')).toBe(1)
      expect(store.recovered).toBe(undefined)
      await store.close()
    }
  }

  test.each(['SIGTERM', 'SIGINT'] as const)('all stores are closed, and then the process ends by %s', async (signal) => {
    const end = await run('alone', [signal])
    expect([end.code, end.signal, end.output]).toEqual([null, signal, ''])
    await expectClosed(end.path)
  }) // prettier-ignore

  // A listener for once is gone when the stores have been closed.
  test.each(['a listener of its own', 'a listener for once', 'a listener for once, from before'])(
    'where somebody else listens, the end is theirs: %s',
    async (how) => {
      const end = await run(how, ['SIGTERM'])
      expect([end.code, end.signal, end.output]).toEqual([7, null, 'asked\n'])
      await expectClosed(end.path)
    },
  )

  test('stores that are closed listen no more', async () => {
    const end = await run('closed before', ['SIGTERM'])
    expect([end.code, end.signal, end.output]).toEqual([null, 'SIGTERM', '0 0\n'])
  })

  test.each([['SIGTERM', 143], ['SIGINT', 130]] as const)('the first process of a container ends by itself (%s)', async (signal, code) => {
    const end = await run('first process', [signal])
    expect([end.code, end.signal, end.output]).toEqual([code, null, ''])
    await expectClosed(end.path)
  }) // prettier-ignore

  test.each(['signal-exit 4', 'signal-exit 3', 'signal-exit 3 and 4'])(
    'beside %s, which leaves the signal to other listeners, the process cleans up and ends',
    async (how) => {
      const end = await run(how, ['SIGTERM'])
      expect([end.code, end.signal]).toEqual([null, 'SIGTERM'])
      expect(end.output).toMatch(/^(cleaned up\n){1,2}$/)
      await expectClosed(end.path)
    },
  )

  test.each(['a listener of its own', 'a listener for once'])(
    'beside signal-exit and %s, the end is that of the listener, which is called once',
    async (how) => {
      const end = await run(`signal-exit 4, ${how}`, ['SIGTERM'])
      expect([end.code, end.signal]).toEqual([7, null])
      expect(end.output).toBe('asked\n')
      await expectClosed(end.path)
    },
  )

  test('beside signal-exit a second signal does not wait either', async () => {
    const end = await run('again, signal-exit 4', ['SIGTERM', 'SIGTERM'])
    expect([end.code, end.signal, end.output]).toEqual([null, 'SIGTERM', 'closing\ncleaned up\n'])
  })

  test('a store that is opened while the others close is closed, too', async () => {
    const end = await run('opened late', ['SIGTERM'])
    expect([end.code, end.signal, end.output]).toEqual([null, 'SIGTERM', 'late is closed\n'])
    await expectClosed(end.path)
    const store = await openEngine(engine, `${end.path}-late`)
    expect(store.map('m').get('k')).toBe(1)
    await store.close()
  })

  test('a second signal does not wait', async () => {
    const end = await run('again', ['SIGTERM', 'SIGTERM'])
    expect([end.code, end.signal, end.output]).toEqual([null, 'SIGTERM', 'closing\n'])
  })
})
