import { join } from 'node:path'
import { open, snapshotsOnRequest, type Engine, type Store, type Strategy } from '../lib/forkstore.js'
import { turn } from '../lib/machine.js'
import { keyOf, recordOf, type Customer } from '../lib/records.js'
import {
  countOf,
  nameOf,
  placeOf,
  type Backend,
  type Extent,
  type OpenBackend,
  type Saved,
} from './backend.js'

interface Choice {
  /** In place of the command line's. */
  engine?: Engine
  strategy?: Strategy
}

/** The log is on, as it is by default; snapshots are taken when the benchmark asks for one. */
export function openWith({ engine, strategy }: Choice): OpenBackend {
  return async (folder, extent, options) => {
    const store = await open<Root>(join(folder, 'store'), {
      engine: engine ?? options.engine,
      snapshot: snapshotsOnRequest(strategy),
    })
    return extent.objects === undefined ? records(store, extent) : objects(store, extent, extent.objects)
  }
}

type Root = Record<string, Record<string, number>>

const entriesPerTurn = 1000
/** So that the log's buffer stays small: the disk is waited for. */
const entriesPerCommit = 200_000

async function fill(store: Store<Root>, count: number, set: (number: number) => void): Promise<void> {
  for (let i = 0; i < count; i++) {
    set(i)
    if (i % entriesPerTurn === 0) await turn()
    if (i % entriesPerCommit === 0) await store.commit()
  }
  await store.snapshot()
}

/** `strategy` is missing in the library's type until it has the option. */
async function snapshot(store: Store<Root>): Promise<Saved> {
  const { pauseMs, strategy } = (await store.snapshot()) as Saved
  return strategy === undefined ? { pauseMs } : { pauseMs, strategy }
}

function records(store: Store<Root>, { entries }: Extent): Backend {
  const customers = store.map<string, Customer>('customers')
  return {
    fill: () => fill(store, entries, (i) => customers.set(keyOf(i), recordOf(i))),
    read: (number) => JSON.stringify(customers.get(keyOf(number))!),
    increment: (number) => String(customers.increment(keyOf(number), 'visits')),
    patch(number) {
      const key = keyOf(number)
      customers.patch(key, { name: `Bob ${number}` })
      return String(customers.increment(key, 'visits'))
    },
    snapshot: () => snapshot(store),
    close: () => store.close(),
  }
}

function objects(store: Store<Root>, extent: Extent, count: number): Backend {
  const { root } = store
  for (let object = 0; object < count; object++) root[nameOf(object)] = {}
  const at = (object: number): Record<string, number> => root[nameOf(object)]!
  return {
    fill: () =>
      fill(store, countOf(extent), (i) => {
        const { object, member } = placeOf(i, count)
        at(object)[keyOf(member)] = member
      }),
    read(number) {
      const { object, member } = placeOf(number, count)
      return JSON.stringify(at(object)[keyOf(member)]!)
    },
    increment(number) {
      const { object, member } = placeOf(number, count)
      return String(++at(object)[keyOf(member)]!)
    },
    patch(number) {
      const { object, member } = placeOf(number, count)
      const members = at(object)
      members[keyOf(extent.entries - 1 - member)] = number
      return String(++members[keyOf(member)]!)
    },
    snapshot: () => snapshot(store),
    close: () => store.close(),
  }
}
