// The stack may end within any call of the library: nothing is half done for it, then or later.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { copy, open } from '../lib/index.js'
import { engines, type EngineName } from './support/engines.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-overflow-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})
const room = vi.hoisted(() => ({ isThere: true }))
vi.mock('../lib/engines/js/data/stack-room.js', () => ({
  assertStackRoom: () => {
    if (!room.isThere) throw new RangeError('as the test says')
  },
}))

const program = fileURLToPath(new URL('./faults/overflow.mjs', import.meta.url))

describe.each(engines)('stack overflows that are caught (%s)', (engine: EngineName) => {
  const run = (how: string, stackKib: number): unknown => {
    const directory = join(base, `${how}-${engine}-${stackKib}`)
    const text = execFileSync(
      process.execPath,
      [`--stack-size=${stackKib}`, program, how, engine, directory],
      {
        encoding: 'utf8',
        timeout: 60_000,
      },
    )
    return JSON.parse(text)
  }

  test.each([300, 600, 984])('in transactions: all is taken back (stack of %i KiB)', (stackKib) => {
    expect(run('transactions', stackKib)).toEqual({
      errors: ['RangeError'],
      state: { n: 0 },
      n: 0,
      generation: expect.any(Number) as unknown,
    })
  })

  test.each([300, 984])(
    'in changes of every kind, in transactions: as before (stack of %i KiB)',
    (stackKib) => {
      expect(run('changes', stackKib)).toEqual({ wrong: [], isSame: true })
    },
  )

  test.each([300, 984])('in writes: the next one stores what it is given (stack of %i KiB)', (stackKib) => {
    expect(run('writes', stackKib)).toMatchObject({
      wrong: [],
      state: { check: expect.anything() as unknown },
    })
  })
})

// The engine makes sure of room before it begins: what the test takes away is noticed before anything has changed.
test('js: in a transaction each change begins with looking for room', async () => {
  interface Root {
    list: unknown[]
    members: Record<string, unknown>
  }
  const store = await open<Root>({ engine: 'js' })
  const root = store.root as Root
  root.list = [{ x: 1 }, 2, 3]
  root.members = { a: { x: 1 }, b: 2 }
  const map = store.map<string, { x: number }>('m')
  map.set('a', { x: 1 })
  const changes: Record<string, () => unknown> = {
    shift: () => root.list.shift(),
    splice: () => root.list.splice(1, 1, { z: 5 }),
    length: () => (root.list.length = 1),
    item: () => (root.list[0] = 1),
    reverse: () => root.list.reverse(),
    deleteItem: () => delete root.list[0],
    member: () => (root.members['a'] = 1),
    deleteMember: () => delete root.members['a'],
    set: () => map.set('a', { x: 2 }),
    delete: () => map.delete('a'),
    patch: () => map.patch('a', { x: 2 }),
    increment: () => map.increment('a', 'x'),
    clear: () => map.clear(),
  }
  const show = (): unknown => [copy(root), [...map]]
  const before = show()
  for (const [name, change] of Object.entries(changes)) {
    store.transaction(() => {
      room.isThere = false
      expect(change, name).toThrow(RangeError)
      expect(show(), name).toEqual(before)
      room.isThere = true
      change()
      expect(show(), name).not.toEqual(before)
      room.isThere = false
      // Nor is anything taken back by half.
      expect(() => store.transaction(() => undefined)).toThrow(RangeError)
      room.isThere = true
      expect(() =>
        store.transaction(() => {
          throw new Error('inner')
        }),
      ).toThrow('inner')
      expect(show(), name).not.toEqual(before)
      const error = new Error('outer')
      expect(() =>
        store.transaction(() => {
          root.list = []
          room.isThere = false
          throw error
        }),
      ).toThrow(RangeError)
      room.isThere = true
      // The next use takes back what there was no room for.
      expect(copy(root).list, name).not.toEqual([])
    })
    expect(show(), name).not.toEqual(before)
    root.list = [{ x: 1 }, 2, 3]
    root.members = { a: { x: 1 }, b: 2 }
    map.clear()
    map.set('a', { x: 1 })
    expect(show()).toEqual(before)
  }
  await store.close()
})
