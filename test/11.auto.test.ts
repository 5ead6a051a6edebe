import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { open } from '../lib/index.js'
import { expectRejection } from './support/expect.js'

vi.mock('../lib/engines/native/load.js', async () => {
  const { ForkstoreError } = await import('../lib/base/errors.js')
  return {
    loadBinding: () => {
      throw new ForkstoreError('ERR_FORKSTORE_UNAVAILABLE', 'the addon cannot be loaded')
    },
  }
})

/** What `engine: 'auto'` does where the addon cannot run. */
describe('auto, without the addon', () => {
  let path: string

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'forkstore-test-'))
  })

  afterEach(() => rmSync(path, { recursive: true }))

  test('falls back, with a warning that listeners get', async () => {
    const store = await open(path)
    const warnings: Error[] = []
    store.on('warning', (warning) => warnings.push(warning))
    expect(store.engine).toBe('js')
    await new Promise((done) => setTimeout(done, 5))
    expect(warnings.map((warning) => warning.message)).toEqual([
      'the native engine cannot run here, forkstore/js is used: the addon cannot be loaded',
    ])
    await store.close()
  })

  test('where nobody listens, the process is warned', async () => {
    const warned = new Promise<Error>((done) => process.once('warning', done))
    const store = await open()
    expect((await warned).name).toBe('ForkstoreWarning')
    await store.close()
  })

  test('finds again what it stored', async () => {
    const store = await open(path)
    store.on('warning', () => undefined)
    store.map('a').set('b', 1)
    await store.close()
    const again = await open(path)
    again.on('warning', () => undefined)
    expect(again.map('a').get('b')).toBe(1)
    await again.close()
  })

  test('native asked for is native or an error', async () => {
    await expectRejection('ERR_FORKSTORE_UNAVAILABLE', () => open(path, { engine: 'native' }))
  })

  test('js asked for needs no warning', async () => {
    const store = await open(path, { engine: 'js' })
    const warnings: Error[] = []
    store.on('warning', (warning) => warnings.push(warning))
    await new Promise((done) => setTimeout(done, 5))
    expect(warnings).toEqual([])
    await store.close()
  })
})
