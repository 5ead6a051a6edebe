// A directory of the native engine: what it brings back, and what it says when it cannot.

import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { NativeEngine } from '../lib/engines/native/engine.js'
import { openNative } from '../lib/engines/native/engine.js'
import type { ForkstoreMap } from '../lib/collections/map.js'
import type { Key } from '../lib/base/types.js'
import { nativeEngine } from './support/native-engine.js'
import { sameValue } from './support/values.js'

const engines: NativeEngine[] = []
const directories: string[] = []

async function open(options: Parameters<typeof nativeEngine>[0] = {}): Promise<NativeEngine> {
  const engine = await nativeEngine(options)
  engines.push(engine)
  return engine
}

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'forkstore-native-'))
  directories.push(path)
  return path
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()))
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true })
})

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_FORKSTORE_${name}` })

describe('a directory', () => {
  const snapshot = { keep: 2, watchdogMs: 30_000, strategy: 'auto' } as const

  it('brings everything back', async () => {
    const path = directory()
    const first = await nativeEngine({ path })
    const map = first.map('m\u1234') as ForkstoreMap<Key, unknown>
    const wide = Object.fromEntries([...Array(70).keys()].map((i) => [`field${i}`, i]))
    let deep: unknown = 'end'
    for (let i = 0; i < 300; i++) deep = { deep: [deep] }
    const entries: [Key, unknown][] = [
      ['a', { n: 1, text: 'some longer text' }],
      [1, wide],
      [-(2n ** 70n), [1, , 'x', new Date(5), Buffer.from('b')]],
      ['ü\u1234', null],
      ['deep', deep],
    ]
    for (const [key, value] of entries) map.set(key, value)
    const result = await first.snapshot(snapshot)
    expect(result).toMatchObject({
      entries: 5,
      path: join(
        path,
        readdirSync(path)
          .filter((name) => name.endsWith('.image'))
          .at(-1) as string,
      ),
    })
    await first.close()
    const second = await open({ path })
    expect(second.recovered).toBeUndefined()
    expect([...second.maps()].map(({ name }) => name)).toEqual(['m\u1234'])
    expect(second.stats().entries).toBe(5)
    const again = [...(second.map('m\u1234') as ForkstoreMap<Key, unknown>).entries()]
    expect(again.map(([key]) => key)).toEqual(entries.map(([key]) => key))
    again.forEach(([, value], index) => sameValue(value, entries[index]?.[1]))
  })

  it('is for one: LOCKED', async () => {
    const path = directory()
    await open({ path })
    await expect(openNative(path, { maxBytes: 2 ** 30 })).rejects.toThrow(code('LOCKED'))
  })

  it('that is damaged is told of', async () => {
    const path = directory()
    const first = await nativeEngine({ path })
    first.map('m').set('a', 1)
    await first.snapshot(snapshot)
    first.map('m').set('a', 2)
    const last = await first.snapshot(snapshot)
    await first.close()
    truncateSync(last.path, last.bytes - 1)
    const second = await openNative(path, { maxBytes: 2 ** 30 })
    engines.push(second)
    expect(second.recovered).toMatchObject({
      generation: last.generation - 1,
      skipped: [{ generation: last.generation }],
    })
    expect(second.map('m').get('a')).toBe(1)
    await second.close()
    for (const name of readdirSync(path)) if (name.endsWith('.image')) truncateSync(join(path, name), 100)
    await expect(openNative(path, { maxBytes: 2 ** 30 })).rejects.toThrow(code('CORRUPT'))
  })

  it('that cannot be opened: the system says why', async () => {
    const error: unknown = await openNative('/proc/no/such', { maxBytes: 2 ** 30 }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ code: 'ERR_FORKSTORE_IO', cause: { code: 'ENOENT' } })
  })

  it('that goes away: SNAPSHOT_FAILED, and the store goes on', async () => {
    const path = directory()
    const engine = await open({ path })
    rmSync(path, { recursive: true })
    engine.map('m').set('a', 1)
    const error: unknown = await engine.snapshot(snapshot).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ERR_FORKSTORE_SNAPSHOT_FAILED', cause: { code: 'ENOENT' } })
    expect(engine.map('m').get('a')).toBe(1)
  })

  it('of none: a snapshot is refused', async () => {
    await expect((await open()).snapshot(snapshot)).rejects.toThrow(code('INVALID_ARGUMENT'))
  })
})
