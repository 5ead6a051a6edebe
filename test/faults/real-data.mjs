// Random changes to any nested data, the same on a live view and on a plain copy: what number n does is
// decided by n and by the data that it finds. Plain JavaScript, so that child processes run it as it is.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** The whole of MDN's browser compatibility data: some 20 MB of JSON, in deep and uneven objects. */
export function readCompatibilityData() {
  const path = createRequire(import.meta.url).resolve('@mdn/browser-compat-data')
  return JSON.parse(readFileSync(path, 'utf8'))
}

/** An own generator for each change, so that a program can go on at any of them (mulberry32). */
function randomOf(n) {
  let state = Math.imul(n + 1, 0x9e3779b1)
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    below: (count) => Math.floor(random() * count),
    chance: (share) => random() < share,
  }
}

const isContainer = (value) => typeof value === 'object' && value !== null

/** A random container below `top`, hardly ever `top` itself: its members are hundreds of thousands of others. */
function pick(top, random) {
  let node = top
  for (let depth = 0; depth < 40; depth++) {
    const keys = Object.keys(node)
    const from = random.below(Math.max(1, keys.length))
    let next
    for (let step = 0; step < Math.min(keys.length, 8) && next === undefined; step++) {
      const value = node[keys[(from + step) % keys.length]]
      if (isContainer(value)) next = value
    }
    if (next === undefined || (depth > 2 && random.chance(0.15))) return node
    node = next
  }
  return node
}

function newValue(random, n) {
  switch (random.below(9)) {
    case 0:
      return null
    case 1:
      return random.chance(0.5)
    case 2:
      return random.below(1e6) - 5e5
    case 3:
      return random.below(1e6) / 7
    case 4:
      return `change ${n}`
    case 5:
      return '☃'.repeat(random.below(20)) + 'x'.repeat(random.below(300))
    case 6:
      return Array.from({ length: random.below(100) }, (_, index) => index * n)
    case 7:
      return { version_added: String(n), flags: [{ type: 'preference', name: `flag-${n}` }], partial: true }
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(90) }, (_, index) => [`member ${index}`, { index }]),
      )
  }
}

/**
 * Change number `n` of `top`. `copyOf` makes a part of the data assignable somewhere else in it:
 * `structuredClone` for plain data; nothing is to be done for live views, whose assignment copies.
 */
export function change(top, n, copyOf) {
  const random = randomOf(n)
  const node = pick(top, random)
  if (Array.isArray(node)) changeArray(node, n, random, top, copyOf)
  else changeObject(node, n, random, top, copyOf)
}

function changeObject(node, n, random, top, copyOf) {
  const keys = Object.keys(node)
  const key = keys[random.below(keys.length)]
  const what = random.below(10)
  if (key === undefined || what < 3) {
    const name = ['', String(random.below(50)), `added ${n}`, 'toString'][random.below(4)]
    node[name] = newValue(random, n)
  } else if (what < 5) {
    node[key] = newValue(random, n)
  } else if (what === 5) {
    delete node[key]
  } else if (what < 8) {
    node[key] = copyOf(smallPart(top, random)) // a replaced subtree
  } else if (what === 8) {
    Object.assign(node, { added: n, nested: { list: [n, [n + 0.5]], text: `${n}` } })
  } else {
    const value = node[key]
    delete node[key] // to the end
    if (!isContainer(value)) node[key] = value
  }
}

function changeArray(node, n, random, top, copyOf) {
  const at = random.below(node.length + 1)
  switch (random.below(9)) {
    case 0:
      node.push(newValue(random, n), n)
      break
    case 1:
      node.pop()
      break
    case 2:
      node.unshift(newValue(random, n))
      break
    case 3:
      node.shift()
      break
    case 4:
      node.splice(at, random.below(4), n, newValue(random, n), copyOf(smallPart(top, random)))
      break
    case 5:
      node.splice(at, random.below(4))
      break
    case 6:
      node[at] = newValue(random, n)
      break
    case 7:
      node.reverse()
      break
    default:
      node.length = Math.max(0, node.length - random.below(3))
  }
}

/** A container of which there is not much: everything else would grow and grow. */
function smallPart(top, random) {
  for (;;) {
    const part = pick(top, random)
    if (JSON.stringify(part).length < 2000) return part
  }
}
