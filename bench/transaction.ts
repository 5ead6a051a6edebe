import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { open, type Store } from './lib/forkstore.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { emailOf, RandomIndex, userOf, type User } from './lib/records.js'

/**
 * Ten writes at random places, bare and in one transaction, in turns within the same process. `rolled back` is the
 * ten writes, the throw and the undoing; `single` a transaction of one write; `empty` one of none.
 */
export const benchmark: Benchmark = {
  name: 'transaction',
  title: 'ten writes: bare, in one transaction, and rolled back (times of all ten, making the keys included)',
  cases: (options) => cross(['map', 'tree'], [1_000_000], options),
  rounds: () => 3,
}

const writes = 10
/** A turn measures so many times ten writes of each way. */
const perTurn = 500
const turns = 60

interface Root {
  users: Record<string, User>
}

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async () => {
    const store = await open<Root>({ engine: options.engine })
    const write = contender === 'map' ? writeMap(store) : writeTree(store)
    const setUp = contender === 'map' ? fillMap(store) : fillTree(store)
    for (let i = 0; i < entries; i++) {
      setUp(i)
      if (i % 1_000 === 0) await turn()
    }
    const index = new RandomIndex(entries)
    let step = 0
    const tenWrites = (): void => {
      for (let i = 0; i < writes; i++) write(index.next(), step++)
    }
    const regret = new Error('rolled back')
    const ways: Record<string, () => void> = {
      bare: tenWrites,
      transaction: () => store.transaction(tenWrites),
      rolledBack() {
        try {
          store.transaction(() => {
            tenWrites()
            throw regret
          })
        } catch (error) {
          if (error !== regret) throw error
        }
      },
      single: () => store.transaction(() => write(index.next(), step++)),
      empty: () => store.transaction(() => {}),
    }

    const elapsed: Record<string, number> = {}
    for (let round = -5; round < turns; round++) {
      if (round === 0) for (const name of Object.keys(ways)) elapsed[name] = 0 // what was before warmed up
      await settle(10)
      for (const [name, way] of Object.entries(ways)) {
        await turn()
        const start = performance.now()
        for (let i = 0; i < perTurn; i++) way()
        elapsed[name] = (elapsed[name] ?? 0) + performance.now() - start
      }
    }
    await store.close()
    const metrics = Object.entries(elapsed).map(([name, ms]) => [`${name}Ns`, (ms * 1e6) / (turns * perTurn)])
    return { metrics: Object.fromEntries(metrics) as Record<string, number> }
  })

function fillMap(store: Store<Root>): (i: number) => void {
  const users = store.map<string, User>('users')
  return (i) => void users.set(emailOf(i), userOf(i))
}

function writeMap(store: Store<Root>): (i: number, step: number) => void {
  const users = store.map<string, User>('users')
  return (i, step) => void users.set(emailOf(i), userOf(step))
}

function fillTree(store: Store<Root>): (i: number) => void {
  store.root.users = {}
  const { users } = store.root
  return (i) => {
    users[emailOf(i)] = userOf(i)
  }
}

/** The smallest write: nothing hides what a transaction adds to it. */
function writeTree(store: Store<Root>): (i: number, step: number) => void {
  const root = store.root as Root // filled by now
  return (i, step) => {
    root.users[emailOf(i)]!.visits = step
  }
}
