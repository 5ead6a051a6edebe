import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import * as main from '../lib/index.js'
import * as js from '../lib/js.js'
import { engines, openEngine } from './support/engines.js'

const lib = join(dirname(fileURLToPath(import.meta.url)), '..', 'lib')

test('both entry points offer the same names', () => {
  expect(Object.keys(main).sort()).toEqual([
    'ForkstoreError',
    'ForkstoreMap',
    'Query',
    'Store',
    'copy',
    'open',
    'query',
  ])
  expect(Object.keys(js).sort()).toEqual(Object.keys(main).sort())
  expect(js.ForkstoreError).toBe(main.ForkstoreError)
  expect(js.Store).toBe(main.Store)
})

test('errors carry a code, a name and a cause', () => {
  const cause = new Error('why')
  const error = new main.ForkstoreError('ERR_FORKSTORE_IO', 'what', { cause })
  expect(error).toBeInstanceOf(Error)
  expect(error.toString()).toBe('ForkstoreError: what')
  expect(error.code).toBe('ERR_FORKSTORE_IO')
  expect(error.cause).toBe(cause)
})

test('the conformance suites run over both engines wherever the native one can run', async () => {
  expect(engines).toContain('js')
  if (process.platform === 'linux') expect(engines).toContain('native')
  for (const engine of engines) {
    const store = await openEngine(engine)
    expect(store.engine).toBe(engine)
    await store.close()
  }
})

test('forkstore/js imports nothing native, not even on demand', () => {
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
      visit(join(dirname(file), path!.replace(/\.js$/, '.ts')))
    }
  }
  visit(join(lib, 'js.ts'))
  const files = [...seen].map((file) => relative(lib, file))
  expect(files).toContain('store/store.ts')
  expect(files.filter((file) => file.startsWith('engines/native'))).toEqual([])
})
