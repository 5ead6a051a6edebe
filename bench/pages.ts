import { join } from 'node:path'
import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { open, snapshotsOnRequest, type ForkstoreMap, type Store } from './lib/forkstore.js'
import { turn, withFolder } from './lib/machine.js'
import { keyOf, RandomIndex, recordOf, type Customer } from './lib/records.js'

const updates = 1000
const hotKeys = 100
const pageBytes = 4096

interface Data {
  records: ForkstoreMap<string, Customer>
  live: ForkstoreMap<string, Customer>
  numbers: ForkstoreMap<string, number>
  entries: number
}

type Update = (data: Data, index: number, step: number) => void

/** What a server does to one entry. */
const kinds: Record<string, Update> = {
  increment: ({ numbers }, index) => numbers.increment(keyOf(index), 1),
  patch: ({ records }, index, step) => records.patch(keyOf(index), { visits: step }),
  set: ({ records }, index, step) => records.set(keyOf(index), recordOf(index, step)),
  'set, another length': ({ records }, index, step) => {
    const record = recordOf(index, step)
    records.set(keyOf(index), { ...record, name: record.name + '.'.repeat(1 + (step % 40)) })
  },
  'live object': ({ live }, index, step) => (live.live(keyOf(index))!.visits = step),
  'new key': ({ records, entries }, index) => records.set(keyOf(entries + index), recordOf(index)),
}

export const benchmark: Benchmark = {
  name: 'pages',
  title: `pages of 4 KiB that ${updates} updates change, of random entries and of ${hotKeys} that change often: what a snapshot that is under way copies`,
  cases: (options) => cross(Object.keys(kinds), [1_000_000], options),
  rounds: () => 1,
}

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    const snapshot = snapshotsOnRequest('auto')
    const path = join(folder, 'store')
    const store = await open(path, { engine: options.engine, snapshot, durability: 'snapshot' })
    const data: Data = {
      records: store.map('records'),
      live: store.map('live'),
      numbers: store.map('numbers'),
      entries,
    }
    for (let i = 0; i < entries; i++) {
      data.records.set(keyOf(i), recordOf(i))
      data.live.set(keyOf(i), recordOf(i))
      data.numbers.set(keyOf(i), i)
      if (i % 2000 === 0) await turn()
    }
    const update = kinds[contender]!
    const random = new RandomIndex(entries)
    const randomPages = await pagesOf(store, (step) => update(data, random.next(), step))
    const hot = Array.from({ length: hotKeys }, () => random.next())
    const hotPages = await pagesOf(store, (step) => update(data, hot[step % hotKeys]!, step))
    await store.close()
    return { metrics: { randomPagesCount: randomPages, hotPagesCount: hotPages } }
  })

async function pagesOf(store: Store, update: (step: number) => void): Promise<number> {
  await store.snapshot()
  const before = store.stats().bytes.dirty
  for (let step = 0; step < updates; step++) update(step)
  return (store.stats().bytes.dirty - before) / pageBytes
}
