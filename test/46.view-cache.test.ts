import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { MOST_PAGED_IN_A_TURN, ViewCache, type CachedNode } from '../lib/views/view-cache.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

class Node implements CachedNode {
  page: object | undefined = undefined
  constructor(readonly id: number) {}
}

function look(cache: ViewCache<Node>, id: number): Node {
  let node = cache.get(id)
  if (node === undefined) cache.add((node = new Node(id)))
  return node
}

test('the same node for the same number, whatever was looked at in between', async () => {
  const cache = new ViewCache<Node>()
  const held = new Map<number, Node>()
  let state = 1
  for (let turn = 0; turn < 60; turn++) {
    for (let step = 0; step < 20_000; step++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 1
      const id = state % 2_000_003
      const node = look(cache, id)
      expect(node.id === id).toBe(true)
      if (state % 1009 === 0 && held.size < 500) held.set(id, node)
      if (state % 50_021 === 0) held.delete(held.keys().next().value as number)
      const before = held.get(id)
      if (before !== undefined) expect(before === node).toBe(true)
    }
    if (turn % 10 === 9) collect()
    await aTurn()
    for (const [id, node] of held) expect(look(cache, id) === node).toBe(true)
    await aTurn()
  }
  expect(held.size).toBeGreaterThan(50)
})

test('numbers beyond 32 bits', () => {
  const cache = new ViewCache<Node>()
  const ids = [5, 2 ** 31 + 5, 2 ** 32 + 5, 2 ** 40 + 5, 2 ** 46 + 5]
  const nodes = ids.map((id) => look(cache, id))
  expect(ids.map((id) => look(cache, id))).toEqual(nodes)
  expect(ids.every((id, index) => cache.get(id) === nodes[index])).toBe(true)
})

test('what nobody holds does not pile up', async () => {
  const cache = new ViewCache<Node>()
  let id = 0
  const pass = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) {
      for (let step = 0; step < 50_000; step++) look(cache, id++)
      await aTurn()
    }
    collect()
  }
  await pass()
  const before = process.memoryUsage().heapUsed
  await pass()
  await pass()
  // A million nodes and their places would be over 100 MB.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(40e6)
})

test('a turn that looks at very many forgets some, and no more than that', async () => {
  const cache = new ViewCache<Node>()
  const first = look(cache, 0)
  for (let id = 1; id < MOST_PAGED_IN_A_TURN; id++) look(cache, id)
  expect(cache.get(0)).toBe(first)
  for (let id = MOST_PAGED_IN_A_TURN; id < 4 * MOST_PAGED_IN_A_TURN; id++) look(cache, id)
  const late = look(cache, 1_000_000)
  for (let id = 4 * MOST_PAGED_IN_A_TURN; id < 5 * MOST_PAGED_IN_A_TURN; id++) look(cache, id)
  expect(cache.get(1_000_000)).toBeUndefined()
  expect(late.id).toBe(1_000_000)
  expect(cache.get(0)).toBe(first)
  await aTurn()
  const next = look(cache, 1_000_000)
  for (let id = 0; id < MOST_PAGED_IN_A_TURN; id++) look(cache, id)
  expect(cache.get(1_000_000)).toBe(next)
})

test('a cleared cache knows nothing', () => {
  const cache = new ViewCache<Node>()
  for (let id = 0; id < 50_000; id++) look(cache, id)
  cache.clear()
  for (let id = 0; id < 50_000; id++) expect(cache.get(id)).toBeUndefined()
})
