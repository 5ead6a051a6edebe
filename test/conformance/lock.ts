import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { openEngine, type EngineName } from '../support/engines.js'
import { expectEntries, expectRejection } from '../support/expect.js'
import { Stores } from '../support/stores.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const holder = join(root, 'test', 'support', 'holder.ts')
const otherUser = join(root, 'test', 'support', 'other-user.ts')

const openHere =
  'is open in this very process already, maybe in another thread: use that store, or close it first'

/** One holder of a directory at a time. */
export function lockSuite(engine: EngineName): void {
  const stores = new Stores(engine)

  test('the same process is refused until close', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    store.map('a').set('b', 1)
    const error = await expectRejection('ERR_FORKSTORE_LOCKED', () => openEngine(engine, path))
    expect(error.message).toBe(`${path} ${openHere}`)
    await expectRejection('ERR_FORKSTORE_LOCKED', () => openEngine(engine, join(path, '..', 'data')))
    expect(store.map('a').get('b')).toBe(1)
    await store.close()
    expect((await stores.open(path)).map('a').get('b')).toBe(1)
  })

  test('another thread of the process, with the library loaded anew, is told that it is this process', async () => {
    const path = stores.directory()
    const store = await stores.open(path)
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads')
       const { register } = require('tsx/esm/api')
       register()
       import(workerData.library).then((library) => library.open(workerData.path, { engine: workerData.engine })).then(
         () => parentPort.postMessage('open'),
         (error) => parentPort.postMessage(error.message))`,
      { eval: true, workerData: { library: join(root, 'lib', 'index.ts'), path, engine } },
    )
    const [message] = (await once(worker, 'message')) as [string]
    expect(message).toBe(`${path} ${openHere}`)
    await worker.terminate()
    store.map('a').set('b', 1)
    await store.commit()
  })

  test('another way to the same directory is the same directory', async () => {
    const path = stores.directory()
    await stores.open(path)
    symlinkSync(path, `${path}-link`)
    await expectRejection('ERR_FORKSTORE_LOCKED', () => openEngine(engine, `${path}-link`))
  })

  test('of many at once one gets it', async () => {
    const path = stores.directory()
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => stores.open(path)))
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled').length).toBe(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ code: 'ERR_FORKSTORE_LOCKED' })
    }
  })

  test('another process is refused, until the holder is gone, killed or not', async () => {
    const path = stores.directory()
    const child = spawn(process.execPath, ['--import', 'tsx', holder, engine, path], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await new Promise<void>((ready, failed) => {
      child.stdout.once('data', () => ready())
      child.once('exit', (code) => failed(new Error(`the holder ended with ${code}`)))
    })
    const error = await expectRejection('ERR_FORKSTORE_LOCKED', () => openEngine(engine, path))
    expect(error.message).toBe(`${path} is in use by process ${child.pid}`)
    const gone = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await gone
    const store = await stores.open(path)
    expectEntries(store.map('a'), [['saved', 1]])
    await store.close()
  })

  // Only root can leave a lock of somebody else.
  const testAsRoot = (name: string, body: () => Promise<void>): void => {
    if (process.getuid?.() === 0) test(name, body)
  }
  const lockFile = engine === 'js' ? 'lock.json' : 'lock'

  testAsRoot('a lock of another user that is in the way: whose it is, and what to do', async () => {
    const path = stores.directory()
    await (await stores.open(path)).close()
    chmodSync(dirname(path), 0o755)
    const asUser = (): { code: string; message: string; cause: string } =>
      JSON.parse(
        execFileSync(process.execPath, ['--import', 'tsx', otherUser, engine, path, '23456'], {
          cwd: root,
          encoding: 'utf8',
        }),
      ) as ReturnType<typeof asUser>
    // In a directory that everybody may write to, but nobody may remove another's files from.
    writeFileSync(join(path, lockFile), '')
    utimesSync(join(path, lockFile), 1, 1) // left behind long ago
    chownSync(join(path, lockFile), 12345, 0)
    chmodSync(path, 0o1777)
    const refused = asUser()
    expect(refused).toMatchObject({
      code: 'ERR_FORKSTORE_IO',
      cause: expect.stringMatching(/^(EACCES|EPERM)$/) as string,
    })
    expect(refused.message).toContain(join(path, lockFile))
    expect(refused.message).toContain(
      `it belongs to user 12345, and this process is user 23456: run it as that user, or give it the store (chown -R 23456 ${path})`,
    )
    // In one of another user's.
    unlinkSync(join(path, lockFile))
    chmodSync(path, 0o755)
    chownSync(path, 12345, 0)
    expect(asUser().message).toContain('the directory belongs to user 12345, and this process is user 23456')
    chmodSync(path, 0o700)
    expect(asUser().message).toContain('belongs to user 12345, and this process is user 23456')
    execFileSync('chown', ['-R', '23456', path])
    expect(asUser().code).toBe('opened')
  })

  test('a process is refused while this one is the holder', async () => {
    const path = stores.directory()
    await stores.open(path)
    const run = (): string =>
      execFileSync(process.execPath, ['--import', 'tsx', holder, engine, path, 'try'], {
        cwd: root,
        encoding: 'utf8',
      })
    expect(run()).toBe('ERR_FORKSTORE_LOCKED')
    await stores.cleanUp()
  })
}
