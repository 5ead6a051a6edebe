// Recursions without end that the application catches: the errors come out of any call of the library's, also
// out of those that clear up. In a process of its own, since code that is compiled already needs less of the
// stack.
import { copy, open } from '../../dist/index.js'

const [how, engine, directory] = process.argv.slice(2)
const store = await open(directory, { engine, maxBytes: 2 ** 28, durability: 'commit', snapshot: false })
const { root } = store
const map = store.map('m')

function caught(run) {
  try {
    run()
  } catch (error) {
    return error.constructor.name
  }
  return 'nothing'
}

if (how === 'changes') {
  // Each kind of change, in a transaction at the end of the stack that throws.
  const fill = () => {
    root.list = [{ x: 1 }, 2, 3, { y: 4 }]
    root.members = { a: { x: 1 }, b: 2, c: 3 }
    map.clear()
    for (const key of ['a', 'b', 'c']) map.set(key, { x: key })
    // Views, so that what is taken away has to be told.
    return [root.list[0].x, root.list[3].y, root.members.a.x, map.live('b').x]
  }
  const changes = {
    shift: () => root.list.shift(),
    splice: () => root.list.splice(1, 2, { z: 5 }, 6, 7),
    pop: () => root.list.pop(),
    length: () => (root.list.length = 1),
    item: () => (root.list[0] = { other: 1 }),
    reverse: () => root.list.reverse(),
    deleteItem: () => delete root.list[0],
    member: () => (root.members.a = { other: 1 }),
    deleteMember: () => delete root.members.b,
    again: () => delete root.members.b && (root.members.b = { other: 1 }),
    set: () => map.set('b', { other: 1 }),
    delete: () => map.delete('b'),
    patch: () => map.patch('c', { y: { z: 1 } }),
    clear: () => map.clear(),
    newMap: () => store.map('another').set('a', 1),
  }
  const show = () =>
    JSON.stringify([copy(root), [...map.keys()], [...map.values()], store.map('another').size])
  const wrong = []
  for (const [name, change] of Object.entries(changes)) {
    for (let pad = 0; pad < 120; pad++) {
      fill()
      const before = show()
      const attempt = () => {
        try {
          store.transaction(() => {
            change()
            throw new Error('on purpose')
          })
        } catch {
          return
        }
      }
      const dive = (...rest) => {
        let depth = 0
        try {
          depth = dive(...rest)
        } catch {
          depth = 0
        }
        if (depth < 10) attempt()
        return depth + 1
      }
      caught(() => dive(...new Array(pad % 64).fill(0)))
      const after = show()
      if (after !== before) wrong.push([name, before, after])
    }
  }
  const end = show()
  await store.close()
  const again = await open(directory, { engine })
  const saved = JSON.stringify([
    copy(again.root),
    [...again.map('m').keys()],
    [...again.map('m').values()],
    again.map('another').size,
  ])
  console.log(JSON.stringify({ wrong, isSame: saved === end }))
  await again.close()
} else if (how === 'transactions') {
  root.n = 0
  map.set('n', 0)
  const errors = []
  for (let round = 0; round < 8; round++) {
    const pads = new Array(round).fill(0)
    const endless = () => {
      root.n++
      map.increment('n-' + round, 'n')
      store.transaction(endless)
    }
    const deep = (...rest) => {
      root.n++
      map.set('n', root.n)
      store.transaction(() => deep(...rest))
    }
    map.set('n-' + round, { n: 0 })
    errors.push(
      caught(() => store.transaction(endless)),
      caught(() => store.transaction(() => deep(...pads))),
    )
    if (root.n !== 0 || map.get('n') !== 0 || map.get('n-' + round).n !== 0) errors.push('not taken back')
    // The outermost transaction is itself near the end of the stack.
    let isFirst = true
    const near = (...rest) => {
      try {
        near(...rest)
      } catch (error) {
        if (!isFirst) throw error
        isFirst = false
        store.transaction(() => {
          root.inner = true
          near(...rest)
        })
      }
    }
    errors.push(caught(() => near(...pads)))
    if (root.inner !== undefined) errors.push('not taken back')
  }
  await store.commit()
  const snapshot = await store.snapshot()
  await store.close()
  const again = await open(directory, { engine })
  console.log(
    JSON.stringify({
      errors: [...new Set(errors)],
      state: copy(again.root),
      n: again.map('n').size,
      generation: snapshot.generation,
    }),
  )
  await again.close()
} else {
  const wrong = []
  const values = [[1, { a: 1 }, 3], [{ z: 1 }, 2, 3], [1, 2, 3], { p: 1, q: { r: 1 } }, { b: {}, c: 6, d: 1 }]
  for (let pad = 0; pad < 60; pad++) {
    const pads = new Array(pad).fill(0)
    const writes = [
      (n) => root.list.push([{ n }, 7, 8, 9]),
      (n) => (root.x = [{ n }, 7, 8]),
      (n) => map.set('x', { a: { n }, b: 7, c: 8 }),
      (n) => (root.x = { ['k' + (n % 300)]: 1 }),
      (n) => map.patch('p', { a: { n }, b: [7] }),
      // A getter that writes in its turn, and swallows what comes of it.
      (n) =>
        (root.x = [
          {
            n,
            get y() {
              return caught(() => (root.y = [1, { n }]))
            },
          },
          7,
          8,
        ]),
    ]
    for (const write of writes) {
      root.list = []
      map.set('p', {})
      let n = 0
      const endless = (...rest) => {
        write(n++)
        endless(...rest)
      }
      caught(() => endless(...pads))
      const value = values[pad % values.length]
      root.check = value
      map.set('check', value)
      const expected = JSON.stringify(value)
      for (const found of [copy(root.check), map.get('check')]) {
        if (JSON.stringify(found) !== expected) wrong.push([expected, found])
      }
      // What was written before it ran out is whole.
      const texts = [...new Set(copy(root.list).map((item) => JSON.stringify({ ...item, 0: 0 })))]
      if (texts.length > 1 || (texts.length === 1 && texts[0] !== '{"0":0,"1":7,"2":8,"3":9}'))
        wrong.push(texts)
      const { x } = copy(root)
      if (Array.isArray(x) && (x[1] !== 7 || x[2] !== 8)) wrong.push(x)
    }
  }
  delete root.list
  delete root.x
  delete root.y
  await store.close()
  const again = await open(directory, { engine })
  console.log(JSON.stringify({ wrong, state: copy(again.root) }))
  await again.close()
}
