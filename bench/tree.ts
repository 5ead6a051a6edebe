import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { open, query, type Engine } from './lib/forkstore.js'
import { collect, settle, timeOfFullCollection, turn, withFolder } from './lib/machine.js'
import { emailOf, RandomIndex, userOf, type User } from './lib/records.js'

/**
 * A million users under their e-mail addresses, as plain objects and in the live tree: the same expressions over
 * both. The row `map` is `store.map('users')`, which reads and counts without live views.
 */
export const benchmark: Benchmark = {
  name: 'tree',
  title:
    'users by e-mail address: plain objects, the live tree, a map (times of one, making the key included)',
  cases: (options) => cross(['plain', 'tree', 'map'], [1_000_000], options),
  rounds: () => 3,
}

/** Enough for a stable mean. */
const repetitions = 300_000

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async () => {
    const warmUp = await openUsers(contender, options.engine)
    for (let round = 0; round < 3; round++) {
      await fill(warmUp, 20_000)
      for (const phase of phases(warmUp, 20_000)) phase.run()
    }
    await warmUp.close()
    // As much garbage as the filling makes, so that the young generation has its size before we look.
    let made = 0
    for (let i = 0; i < 1_000_000; i++) made += emailOf(i).length + userOf(i).name.length
    if (made === 0) throw new Error('nothing was made')
    await settle()
    const before = usage()
    const emptyCollectionMs = timeOfFullCollection()

    const users = await openUsers(contender, options.engine)
    const start = performance.now()
    await fill(users, entries)
    const fillNs = ((performance.now() - start) * 1e6) / entries
    await settle(500)
    const collectionMs = timeOfFullCollection()
    const after = usage()
    const times: Record<string, number> = {}
    for (const { name, run } of phases(users, entries)) {
      await settle()
      const phaseStart = performance.now()
      const count = run()
      times[`${name}Ns`] = ((performance.now() - phaseStart) * 1e6) / count
    }
    const live = users.liveBytes()
    await users.close()
    return {
      metrics: {
        ...times,
        fillNs,
        residentPerUserBytes: (after.resident - before.resident) / entries,
        heapPerUserBytes: (after.heap - before.heap) / entries,
        ...(live === undefined ? {} : { arenaPerUserBytes: live / entries }),
        emptyCollectionMs,
        collectionMs,
      },
    }
  })

interface Users {
  set(email: string, user: User): void
  visits(email: string): number
  addVisit(email: string): void
  /** How many take the newsletter. */
  count(): number
  /** The sum of all visits, by going through all users. */
  sum(): number
  liveBytes(): number | undefined
  close(): Promise<void> | void
}

async function openUsers(contender: string, engine: Engine): Promise<Users> {
  if (contender === 'plain') return plainUsers()
  const store = await open<{ users: Record<string, User> }>({ engine })
  const shared = { liveBytes: () => store.stats().bytes.live, close: () => store.close() }
  if (contender === 'map') {
    const users = store.map<string, User>('users')
    return {
      ...shared,
      set: (email, user) => void users.set(email, user),
      visits: (email) => users.get(email)!.visits,
      addVisit: (email) => void users.increment(email, 'visits'),
      count: () => users.count((user) => user.options.newsletter),
      sum() {
        let sum = 0
        for (const user of users.values()) sum += user.visits
        return sum
      },
    }
  }
  const root = store.root as { users: Record<string, User> }
  root.users = {}
  return {
    ...shared,
    set(email, user) {
      root.users[email] = user
    },
    visits: (email) => root.users[email]!.visits,
    addVisit(email) {
      root.users[email]!.visits++
    },
    count: () => query(root.users).count((user) => user.options.newsletter),
    sum() {
      let sum = 0
      for (const user of Object.values(root.users)) sum += user.visits
      return sum
    },
  }
}

function plainUsers(): Users {
  const root: { users: Record<string, User> } = { users: {} }
  return {
    set(email, user) {
      root.users[email] = user
    },
    visits: (email) => root.users[email]!.visits,
    addVisit(email) {
      root.users[email]!.visits++
    },
    count: () => Object.values(root.users).filter((user) => user.options.newsletter).length,
    sum() {
      let sum = 0
      for (const user of Object.values(root.users)) sum += user.visits
      return sum
    },
    liveBytes: () => undefined,
    close() {
      root.users = {}
    },
  }
}

async function fill(users: Users, entries: number): Promise<void> {
  for (let i = 0; i < entries; i++) {
    users.set(emailOf(i), userOf(i))
    if (i % 1_000 === 0) await turn()
  }
}

/** Each gives back how many operations it did. */
function phases(users: Users, entries: number): { name: string; run: () => number }[] {
  return [
    {
      name: 'read',
      run() {
        const index = new RandomIndex(entries)
        let sum = 0
        for (let i = 0; i < repetitions; i++) sum += users.visits(emailOf(index.next()))
        return sum > 0 ? repetitions : 0
      },
    },
    {
      name: 'increment',
      run() {
        const index = new RandomIndex(entries)
        for (let i = 0; i < repetitions; i++) users.addVisit(emailOf(index.next()))
        return repetitions
      },
    },
    {
      name: 'count',
      run() {
        if (users.count() !== Math.ceil(entries / 4)) throw new Error('counted wrong')
        return entries
      },
    },
    {
      name: 'iterate',
      run() {
        if (users.sum() < repetitions) throw new Error('visits are missing')
        return entries
      },
    },
  ]
}

function usage(): { resident: number; heap: number } {
  collect()
  const { rss, heapUsed } = process.memoryUsage()
  return { resident: rss, heap: heapUsed }
}
