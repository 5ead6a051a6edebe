import { turn } from '../lib/machine.js'
import { keyOf, recordOf, type Customer } from '../lib/records.js'
import { countOf, placeOf, type Backend, type Extent, type OpenBackend } from './backend.js'

/** Plain Maps, never saved. */
export const open: OpenBackend = (_folder, extent) =>
  extent.objects === undefined ? records(extent) : objects(extent, extent.objects)

const entriesPerTurn = 1000

function records({ entries }: Extent): Backend {
  const customers = new Map<string, Customer>()
  return {
    async fill() {
      for (let i = 0; i < entries; i++) {
        customers.set(keyOf(i), recordOf(i))
        if (i % entriesPerTurn === 0) await turn()
      }
    },
    read: (number) => JSON.stringify(customers.get(keyOf(number))!),
    increment: (number) => String(++customers.get(keyOf(number))!.visits),
    patch(number) {
      const customer = customers.get(keyOf(number))!
      customer.name = `Bob ${number}`
      return String(++customer.visits)
    },
    close: () => customers.clear(),
  }
}

function objects(extent: Extent, count: number): Backend {
  const all = Array.from({ length: count }, () => new Map<string, number>())

  function add(number: number): string {
    const { object, member } = placeOf(number, count)
    const key = keyOf(member)
    const sum = all[object]!.get(key)! + 1
    all[object]!.set(key, sum)
    return String(sum)
  }

  return {
    async fill() {
      const total = countOf(extent)
      for (let i = 0; i < total; i++) {
        const { object, member } = placeOf(i, count)
        all[object]!.set(keyOf(member), member)
        if (i % entriesPerTurn === 0) await turn()
      }
    },
    read(number) {
      const { object, member } = placeOf(number, count)
      return JSON.stringify(all[object]!.get(keyOf(member))!)
    },
    increment: add,
    patch(number) {
      const { object, member } = placeOf(number, count)
      all[object]!.set(keyOf(extent.entries - 1 - member), number)
      return add(number)
    },
    close: () => undefined,
  }
}
