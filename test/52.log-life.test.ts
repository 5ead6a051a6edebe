// How stores with a log go with the life of their process, and what their log does under the hood of the addon.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { Durability } from '../lib/store/durability.js'
import { NativeEngine } from '../lib/engines/native/engine.js'
import { loadBinding } from '../lib/engines/native/load.js'
import type { NativeOpenOptions } from '../lib/engines/native/binding.js'
import { engines, openEngine, type EngineName } from './support/engines.js'
import { crashCopy, logFiles } from './support/log-files.js'
import { compileOnMainThread } from './support/program.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-log-life-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})
const program = fileURLToPath(new URL('./faults/log-ending.mjs', import.meta.url))

describe.each(engines)('process end (%s)', (engine: EngineName) => {
  const run = (how: string): { path: string; output: string } => {
    const path = join(base, `${engine}-${how.replaceAll(' ', '-')}`)
    const output = execFileSync(process.execPath, [...compileOnMainThread, program, how, engine, path], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    return { path, output }
  }

  test('a quiet store keeps no process alive, and loses nothing', async () => {
    const { path } = run('nothing to do')
    const store = await openEngine(engine, path)
    expect([...store.map('m')]).toEqual([['a', 1]])
    await store.close()
  })

  test('a commit does keep it alive', async () => {
    const { path, output } = run('commit')
    expect(output).toBe('committed\n')
    const store = await openEngine(engine, path)
    expect([...store.map('m')]).toEqual([['a', 1]])
    await store.close()
  })

  test('SIGTERM, handled as the documentation shows', async () => {
    const { path } = run('SIGTERM')
    const store = await openEngine(engine, path)
    expect(store.recovered).toBe(undefined)
    expect(store.map('m').get('b')).toBe(2)
    expect(store.map('m').get('n')).toBeGreaterThan(0)
    await store.close()
  })

  test('process.exit() keeps the turns that had ended', async () => {
    const { path } = run('exit')
    const store = await openEngine(engine, path)
    expect([...store.map('m')]).toEqual([['a', 1]])
    await store.close()
  })

  test('process.exit() keeps them also while a snapshot begins', async () => {
    const { path } = run('exit in a snapshot')
    const store = await openEngine(engine, path)
    expect([...store.map('m')]).toEqual([['a', 1], ['b', 2]]) // prettier-ignore
    expect(store.recovered).toBe(undefined)
    await store.close()
  })

  test.each([
    ['exit at once', [['a', 1]]],
    [
      'exit in a transaction',
      [
        ['a', 1],
        ['b', 2],
      ],
    ],
    [
      'writes at exit',
      [
        ['a', 1],
        ['b', 2],
        ['c', 3],
        ['d', 4],
        ['e', 5],
        ['f', 6],
      ],
    ],
    [
      'a listener goes on',
      [
        ['a', 1],
        ['b', 2],
      ],
    ],
  ])('%s: what was written is kept', async (how, entries) => {
    // prettier-ignore
    const { path } = run(how)
    const store = await openEngine(engine, path)
    expect([...store.map('m')]).toEqual(entries)
    expect(store.recovered).toBe(undefined)
    await store.close()
  })

  test('a kill keeps the turns that had ended, though no sync was due', async () => {
    const path = join(base, `${engine}-kill`)
    const command = [...compileOnMainThread, program, 'kill after a turn', engine, path]
    expect(spawnSync(process.execPath, command, { timeout: 30_000 }).signal).toBe('SIGKILL')
    const store = await openEngine(engine, path)
    expect([...store.map('m')]).toEqual([['a', 1], ['the last turn', 2]]) // prettier-ignore
    await store.close()
  })

  test('an uncaught exception keeps the turns that had ended', async () => {
    const path = join(base, `${engine}-uncaught`)
    const { status, stderr } = spawnSync(
      process.execPath,
      [...compileOnMainThread, program, 'an uncaught exception', engine, path],
      { encoding: 'utf8', timeout: 30_000 },
    )
    expect(stderr).toContain('nobody catches this')
    expect(status).toBe(1)
    const store = await openEngine(engine, path)
    expect(store.recovered).toBe(undefined)
    // And nothing of the turn that threw: a batch counts whole or not at all.
    expect([...store.map('m')]).toEqual([['a', 1]])
    await store.close()
  })
})

describe('the log of the addon', () => {
  const openSmall = async (
    path: string,
    logSizes: NativeOpenOptions['logSizes'],
  ): Promise<{ engine: NativeEngine; durability: Durability; warnings: Error[] }> => {
    const options = { maxBytes: 2 ** 30, hugePages: true, log: true, ...(logSizes && { logSizes }) }
    const engine = new NativeEngine(path, await loadBinding().open(path, options))
    const warnings: Error[] = []
    const durability = new Durability(engine.log!, 'everysec', {
      isWithin: () => false,
      onExitWithinTransaction: () => undefined,
      onTurnEnd: () => undefined,
      onLogged: () => undefined,
      onNeed: () => undefined,
      onWarning: (warning) => warnings.push(warning),
    })
    engine.onWrite = () => durability.onWrite()
    return { engine, durability, warnings }
  }
  const close = async (durability: Durability, engine: NativeEngine): Promise<void> => {
    await durability.close()
    await engine.close()
  }

  test('small segments: one after the other, all replayed', async () => {
    const path = join(base, 'segments')
    const { engine, durability } = await openSmall(path, {
      segmentBytes: 64 * 1024,
      fragmentBytes: 16 * 1024,
    })
    for (let index = 0; index < 300; index++) {
      engine.map('m').set(index, 'x'.repeat(index % 7 === 0 ? 30_000 : 1000))
      if (index % 5 === 0) await durability.commit()
    }
    await durability.commit()
    expect(durability.stats().segments).toBeGreaterThan(10)
    await engine.snapshot({ keep: 1, watchdogMs: 10_000, strategy: 'auto' })
    expect(logFiles('native', path).length).toBeLessThan(5)
    engine.map('m').set('last', 1)
    await close(durability, engine)
    const again = await openSmall(path, undefined)
    expect(again.engine.map('m').size).toBe(301)
    await close(again.durability, again.engine)
  })

  test('behind the disk: told once, until it has caught up; above the hard bound writes wait', async () => {
    const path = join(base, 'behind')
    const { engine, durability, warnings } = await openSmall(path, {
      softBoundBytes: 1 << 20,
      hardBoundBytes: 4 << 20,
      fragmentBytes: 1 << 20,
      writeBytes: 64 * 1024,
    })
    const map = engine.map('m')
    const text = 'x'.repeat(100_000)
    for (let round = 0; round < 3; round++) {
      // Turns that write faster than any disk; more where the disk has all of the processor.
      while (warnings.length === round || durability.stats().stalls === 0) {
        for (let index = 0; index < 200; index++) map.set(index, text)
        await new Promise((done) => setImmediate(done))
      }
      expect(warnings.length).toBe(round + 1)
      expect(warnings[round]!.name).toBe('ForkstoreWarning')
      expect(warnings[round]!.message).toContain('the disk is behind')
      await durability.commit()
      while (durability.stats().behind) await new Promise((done) => setTimeout(done, 1))
      await new Promise((done) => setTimeout(done, 20))
    }
    expect(durability.stats()).toMatchObject({ bufferedBytes: 0, behind: false, state: 'healthy' })
    await close(durability, engine)
  })

  test('a file that has become very long, without data, is not read to open', async () => {
    const path = join(base, 'holes')
    const store = await openEngine('native', path, { snapshot: false })
    store.map('m').set('a', 1)
    await store.commit()
    const copy = crashCopy(path)
    await store.close()
    truncateSync(join(copy, logFiles('native', copy).at(-1)!), 32 * 2 ** 30)
    const readBytes = (): number => Number(/^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))![1])
    const before = readBytes()
    const again = await openEngine('native', copy, { snapshot: false })
    expect(readBytes() - before).toBeLessThan(32 * 2 ** 20)
    expect([...again.map('m')]).toEqual([['a', 1]])
    await again.close()
    rmSync(join(copy, '..'), { recursive: true })
  })

  test('opening and closing leaves nothing behind', async () => {
    const path = join(base, 'leak')
    const count = (): [number, number] => [
      readdirSync('/proc/self/fd').length,
      readdirSync('/proc/self/task').length,
    ]
    let first: [number, number] = [0, 0]
    for (let round = 0; round < 30; round++) {
      const store = await openEngine('native', path, { durability: round % 2 === 0 ? 'commit' : 'everysec' })
      store.map('m').set(round, round)
      if (round % 3 === 0) await store.commit()
      await store.close()
      if (round === 9) first = count()
    }
    // A thread that has been waited for may be listed a moment longer.
    await vi.waitFor(() => {
      const now = count()
      expect(now[0]).toBeLessThanOrEqual(first[0])
      expect(now[1]).toBeLessThanOrEqual(first[1])
    }, 20_000)
  })
})

describe('the room that the log takes', () => {
  const bytesOf = (engine: EngineName, path: string): number =>
    logFiles(engine, path).reduce((sum, name) => sum + 512 * statSync(join(path, name)).blocks, 0)

  test.each(engines)('a snapshot by the length of the log lets the old parts go (%s)', async (engine) => {
    const path = join(base, `${engine}-grows`)
    const snapshot = { everyMs: 0, afterWrites: 0, everyLogBytes: 300_000, keep: 1 }
    const store = await openEngine(engine, path, { snapshot })
    const map = store.map('m')
    const value = 'x'.repeat(50_000)
    for (let n = 0; n < 100; n++) {
      map.set(n % 4, value)
      await store.commit()
      if (n % 5 === 4) while (store.stats().snapshot.running) await new Promise(setImmediate)
    }
    expect(store.stats().log!.appendedBytes).toBeGreaterThan(5_000_000)
    expect(store.stats().snapshot.last!.generation).toBeGreaterThan(5)
    await store.close()
    expect(bytesOf(engine, path)).toBeLessThan(1_000_000)
  })

  test.each(engines)('a store that is closed without a write keeps none (%s)', async (engine) => {
    const path = join(base, `${engine}-empty`)
    for (let times = 0; times < 2; times++) {
      const store = await openEngine(engine, path)
      expect(bytesOf(engine, path)).toBeLessThanOrEqual(2 ** 20 + 4096)
      await store.close()
      expect(bytesOf(engine, path)).toBeLessThanOrEqual(16_384) // its header
    }
  })
})
