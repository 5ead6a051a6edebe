// forkstore/js: its lock, and files and directories that are not what they were.
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { disk } from '../lib/engines/js/disk/disk.js'
import { open } from '../lib/js.js'
import { isWholeLine, readLines } from '../lib/engines/js/disk/lines.js'
import { lockTimes, type Holder } from '../lib/engines/js/disk/lock-holder.js'
import { expectRejection } from './support/expect.js'
import { Stores } from './support/stores.js'

vi.mock('../lib/base/timers.js', () => import('./support/global-timers.js'))

const stores = new Stores('js')
/** What other processes load. */
const library = new URL('../dist/js.js', import.meta.url).href
const isLinux = process.platform === 'linux'
const generation = (number: number): string => String(number).padStart(20, '0')
const seconds = (ms: number): Date => new Date(Date.now() - ms)
const lockNames = (path: string): string[] => readdirSync(path).filter((name) => name.startsWith('lock'))

afterEach(() => vi.restoreAllMocks())

describe('the lock of forkstore/js', () => {
  /** A store whose lock was left behind by a holder of which this is said. */
  const leftBehind = async (said: (holder: Holder) => Partial<Holder>, silentMs = 0): Promise<string> => {
    const path = stores.directory()
    const store = await open(path)
    store.map('a').set('x', 1)
    const text = readFileSync(join(path, 'lock.json'), 'utf8')
    await store.close()
    const holder = JSON.parse(text) as Holder
    const file = join(path, 'lock.json')
    writeFileSync(file, JSON.stringify({ ...holder, ...said(holder) }))
    utimesSync(file, seconds(silentMs), seconds(silentMs))
    return path
  }
  const silentMs = 2 * lockTimes.silentMs
  const noProcess = { pid: 2 ** 22 + 1, thread: 2 ** 22 + 1 } // above what Linux hands out

  test('it says which process of which machine, boot and container holds which directory', async () => {
    const path = stores.directory()
    const store = await open(path)
    const holder = JSON.parse(readFileSync(join(path, 'lock.json'), 'utf8')) as Holder
    const { dev, ino } = statSync(path, { bigint: true })
    expect(holder).toMatchObject({ pid: process.pid, directory: { device: String(dev), inode: String(ino) } })
    if (isLinux)
      expect(holder).toMatchObject({
        started: expect.stringMatching(/\/\d+$/) as string,
        boot: expect.stringMatching(/-/) as string,
        namespace: expect.stringMatching(/^pid:/) as string,
      })
    expect(lockNames(path)).toEqual(['lock.json'])
    await store.close()
    expect(lockNames(path)).toEqual([])
  })

  test.runIf(isLinux).each<[string, (holder: Holder) => Partial<Holder>, number, 'taken over' | 'held']>([
    ['a process that is gone', () => noProcess, 0, 'taken over'],
    ['a process that runs', () => ({}), silentMs, 'held'],
    ['another boot of this machine', () => ({ boot: 'another' }), 0, 'taken over'],
    ['a copy', ({ directory }) => ({ directory: { ...directory!, inode: '1' } }), 0, 'taken over'],
    ['a copy on another device', ({ directory }) => ({ directory: { ...directory!, device: '1' } }), 0, 'taken over'], // prettier-ignore
    ['another container', () => ({ ...noProcess, namespace: 'pid:[1]' }), 0, 'held'],
    ['another container, silent', () => ({ namespace: 'pid:[1]' }), silentMs, 'taken over'],
    ['another machine', () => ({ ...noProcess, machine: 'another', boot: 'another' }), 0, 'held'],
    ['another machine, silent', () => ({ machine: 'another', boot: 'another' }), silentMs, 'taken over'],
  ])('of %s', async (_, said, silent, outcome) => {
    const path = await leftBehind(said, silent)
    if (outcome === 'held') {
      await expectRejection('ERR_FORKSTORE_LOCKED', () => open(path))
      return
    }
    const store = await open(path)
    expect(store.map('a').get('x')).toBe(1)
    await store.close()
    expect(lockNames(path)).toEqual([])
  })

  test('a holder touches its lock', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const path = stores.directory()
      const store = await open(path)
      const file = join(path, 'lock.json')
      utimesSync(file, seconds(silentMs), seconds(silentMs))
      vi.advanceTimersByTime(lockTimes.beatMs)
      expect(Date.now() - statSync(file).mtimeMs).toBeLessThan(lockTimes.silentMs)
      await store.close()
    } finally {
      vi.useRealTimers()
    }
  })

  test('claims that were left behind stop nobody for long, and go', async () => {
    const path = await leftBehind(() => noProcess)
    const { ino, mtimeNs } = statSync(join(path, 'lock.json'), { bigint: true })
    const text = readFileSync(join(path, 'lock.json'), 'utf8')
    const which = createHash('sha256').update(`${ino} ${mtimeNs} ${text}`).digest('hex').slice(0, 16)
    const claim = join(path, `lock-${which}-0.claim`)
    writeFileSync(claim, '')
    await expectRejection('ERR_FORKSTORE_LOCKED', () => open(path))
    utimesSync(claim, seconds(silentMs), seconds(silentMs))
    const store = await open(path)
    expect(lockNames(path)).toEqual(['lock.json'])
    await store.close()
  })

  test.runIf(isLinux)('of many processes that find one left behind, one gets it', async () => {
    const code = `
      const { open } = await import(${JSON.stringify(library)})
      process.stdout.write('ready ')
      process.stdin.setEncoding('utf8')
      for await (const path of process.stdin) {
        const store = await open(path.trim()).catch((error) => error)
        process.stdout.write((store.code ?? 'opened') + ' ')
        globalThis.held = store
      }
      process.exit() // as if it were killed: the lock stays`
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    try {
      const word = (child: (typeof children)[number]): Promise<string> =>
        new Promise((done) => child.stdout.once('data', (bytes: Buffer) => done(String(bytes).trim())))
      await Promise.all(children.map(word))
      for (let round = 0; round < 15; round++) {
        const path = await leftBehind(() => noProcess)
        const words = children.map(word)
        for (const child of children) child.stdin.write(`${path}\n`)
        const outcomes = (await Promise.all(words)).sort()
        expect(outcomes).toEqual([...Array<string>(3).fill('ERR_FORKSTORE_LOCKED'), 'opened'])
        expect(lockNames(path)).toEqual(['lock.json'])
      }
    } finally {
      for (const child of children) child.kill('SIGKILL')
    }
  })

  test('one that was moved while it was open can be opened there once that store has closed', async () => {
    const path = stores.directory()
    const store = await open(path, { snapshot: false })
    store.map('m').set('a', 1)
    await store.commit()
    renameSync(path, `${path}-moved`)
    store.map('m').set('b', 1)
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => store.commit())
    await store.close().catch(() => undefined)
    const moved = await stores.open(`${path}-moved`)
    expect(moved.map('m').get('a')).toBe(1)
  })

  test('a directory that was copied while it was open, or moved after a crash, opens', async () => {
    const path = stores.directory()
    const store = await open(path)
    store.map('a').set('x', 1)
    await store.commit()
    cpSync(path, `${path}-copy`, { recursive: true })
    const copy = await open(`${path}-copy`)
    expect(copy.map('a').get('x')).toBe(1)
    await copy.close()
    await store.close()
    const crashed = await leftBehind(() => noProcess)
    renameSync(crashed, `${crashed}-moved`)
    await (await open(`${crashed}-moved`)).close()
  })

  test('a directory that is open stays locked under another name', async () => {
    const path = stores.directory()
    const store = await open(path)
    renameSync(path, `${path}-moved`)
    await expectRejection('ERR_FORKSTORE_LOCKED', () => open(`${path}-moved`))
    renameSync(`${path}-moved`, path)
    store.map('a').set('x', 1)
    await store.close()
    expect((await stores.open(path)).map('a').get('x')).toBe(1)
  })

  test.each(['snapshot', 'everysec'] as const)(
    'whose lock was removed: nothing is acknowledged, nothing is written: %s',
    async (durability) => {
      const path = stores.directory()
      const store = await open(path, { durability })
      store.on('warning', () => undefined).on('snapshot-error', () => undefined)
      store.map('a').set('x', 1)
      await store.snapshot()
      unlinkSync(join(path, 'lock.json'))
      const code = `
        const { open } = await import(${JSON.stringify(library)})
        const store = await open(process.argv[1])
        store.map('a').set('y', 1)
        await store.close()`
      execFileSync(process.execPath, ['--input-type=module', '-e', code, path])
      const names = readdirSync(path)
      store.map('a').set('x', 2)
      const failed = durability === 'snapshot' ? 'ERR_FORKSTORE_SNAPSHOT_FAILED' : 'ERR_FORKSTORE_LOG_FAILED'
      await expectRejection(failed, () => store.commit())
      await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.snapshot())
      await expectRejection(failed, () => store.close())
      expect(readdirSync(path)).toEqual(names)
      expect([...(await stores.open(path)).map('a')]).toEqual([['x', 1], ['y', 1]]) // prettier-ignore
    },
  )
})

describe('files of forkstore/js that are none of its own', () => {
  const names = ['lock.json', 'identity.json', `snapshot-${generation(2)}.json`, `log-${generation(1)}.json`]
  const kinds: [string, (file: string, real: string) => void][] = [
    ['a FIFO', (file) => execFileSync('mkfifo', [file])],
    ['a link', (file, real) => symlinkSync(real, file)],
    ['a link to nothing', (file) => symlinkSync('nothing', file)],
    ['a device', (file) => symlinkSync('/dev/zero', file)],
  ]
  test.runIf(isLinux).each(kinds.flatMap(([kind, make]) => names.map((name) => ({ kind, name, make }))))(
    '$kind in place of $name is refused',
    async ({ name, make }) => {
      const path = stores.directory()
      await (await open(path, { snapshot: { onClose: false } })).close()
      const file = join(path, name)
      if (existsSync(file)) renameSync(file, `${path}-real`)
      else writeFileSync(`${path}-real`, '')
      make(file, `${path}-real`)
      const error = await expectRejection('ERR_FORKSTORE_IO', () => open(path))
      expect(error.message).toContain(name)
    },
  )

  test('a path with no room for the longest name is refused at once', async () => {
    const base = dirname(stores.directory())
    const deep = (bytes: number): string => {
      let path = base
      while (path.length + 201 < bytes) path = join(path, 'd'.repeat(200))
      return join(path, 'e'.repeat(Math.max(1, bytes - path.length - 1)))
    }
    const error = await expectRejection('ERR_FORKSTORE_IO', () => open(deep(isLinux ? 4050 : 1000)))
    expect(error.message).toContain('ENAMETOOLONG')
    if (!isLinux) return
    const store = await open(deep(4000))
    store.map('a').set('x', 1)
    await store.snapshot()
    await store.close()
    expect((await stores.open(deep(4000))).map('a').get('x')).toBe(1)
  })

  test('a snapshot whose name may not be on disk does not count among those that are kept', async () => {
    const path = stores.directory()
    const store = await open(path, { durability: 'snapshot', snapshot: { keep: 2, everyMs: 0, afterWrites: 0 } }) // prettier-ignore
    store.on('snapshot-error', () => undefined)
    const change = (): unknown => store.map('a').set('x', Math.random())
    change()
    await store.snapshot()
    const unlink = vi.spyOn(disk, 'unlink').mockRejectedValue(new Error('as the test says'))
    const fsync = vi.spyOn(disk, 'fsync').mockResolvedValueOnce().mockRejectedValueOnce(new Error('EIO'))
    change()
    await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.snapshot())
    fsync.mockRestore()
    unlink.mockRestore()
    change()
    await store.snapshot()
    const kept = readdirSync(path).filter((name) => name.startsWith('snapshot'))
    expect(kept).toEqual([2, 3, 4].map((each) => `snapshot-${generation(each)}.json`))
    await store.close()
  })

  test('a snapshot whose publication failed is removed', async () => {
    const path = stores.directory()
    const store = await open(path, { durability: 'snapshot' })
    store.on('snapshot-error', () => undefined)
    store.map('a').set('x', 1)
    const names = readdirSync(path)
    vi.spyOn(disk, 'fsync').mockResolvedValueOnce().mockRejectedValueOnce(new Error('EIO'))
    await expectRejection('ERR_FORKSTORE_SNAPSHOT_FAILED', () => store.snapshot())
    expect(readdirSync(path)).toEqual(names)
    vi.restoreAllMocks()
    await store.close()
  })

  test('holes of a sparse file take no memory, and hide nothing behind them', () => {
    const path = stores.directory()
    mkdirSync(path)
    const file = join(path, 'sparse')
    writeFileSync(file, 'a\nb')
    truncateSync(file, 64 * 2 ** 20)
    writeFileSync(file, '\nc\n', { flag: 'a' })
    const lines = [...readLines(file)]
    expect(lines.map(({ bytes }) => bytes.length <= 2 ** 20)).toEqual([true, true, true])
    expect(lines.map(({ bytes }) => isWholeLine(bytes))).toEqual([true, false, true])
    expect(lines[2]).toEqual({ offset: 64 * 2 ** 20 + 1, bytes: Buffer.from('c\n') })
  })

  test.each([
    [`snapshot-${generation(1)}.json`, 0],
    [`log-${generation(1)}.json`, 0],
    ['identity.json', 0],
    [`log-${generation(1)}.json`, undefined],
  ])('a sparse %s is refused, or its hole is cut, in little memory', async (name, at) => {
    const path = stores.directory()
    await (await open(path, { snapshot: { onClose: false } })).close()
    const file = join(path, name)
    if (at === 0) truncateSync(file, at)
    truncateSync(file, 3 * 2 ** 28)
    const code = `
      const { open } = await import(${JSON.stringify(library)})
      const before = process.resourceUsage().maxRSS
      await open(process.argv[1]).then((store) => store.close(), (error) => { if (!error.code) throw error })
      process.stdout.write(String(process.resourceUsage().maxRSS - before))`
    const grownKiB = Number(execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', code, path])) // prettier-ignore
    expect(grownKiB).toBeLessThan(128 * 1024)
  })
})
