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
