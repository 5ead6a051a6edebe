// The deterministic history that the programs of this folder write, and the state after its first n writes:
// the oracle of the kill loops. Plain JavaScript, so that child processes run it as it is.

export const KEYS = 400

/** Writes of one batch, where writes come in batches. */
export const BATCH = 5

/** Write number `n` (from 1), to any map. */
export function applyWrite(map, n) {
  const key = `key ${(n * 7919) % KEYS}`
  if (n % 11 === 0) map.delete(key)
  else map.set(key, valueOf(n))
  map.set('writes', n)
}

function valueOf(n) {
  return { n, text: 'x'.repeat((n * 31) % 300), nested: n % 5 === 0 ? { list: [n, n + 0.5, `${n}`] } : null }
}

/** The state after n writes, as a Map. */
export function stateAfter(n) {
  const map = new Map()
  for (let write = 1; write <= n; write++) applyWrite(map, write)
  return map
}

/** Write number `n` to a tree: the live root of a store, or a plain object. */
export function applyTreeWrite(root, n) {
  root.items ??= {}
  root.list ??= []
  const key = `item ${(n * 104729) % 60}`
  if (n % 7 === 0) delete root.items[key]
  else if (n % 5 === 0 && root.items[key] !== undefined) root.items[key].nested = { n, deep: { list: [n] } }
  else root.items[key] = valueOf(n)
  root.list.push(n)
  if (root.list.length > 20) root.list.shift()
  root.writes = n
}

/** The tree after n writes, as a plain object. */
export function treeAfter(n) {
  const root = {}
  for (let write = 1; write <= n; write++) applyTreeWrite(root, write)
  return root
}
