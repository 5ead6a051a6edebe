import { open as openStore, type Store } from '../lib/forkstore.js'
import { consume, type Customer } from '../lib/records.js'
import type { OpenPeer, Peer } from './peer.js'

class Forkstore implements Peer {
  readonly #store: Store
  readonly #map

  constructor(store: Store) {
    this.#store = store
    this.#map = store.map<string, Customer>('customers')
  }

  get(key: string): Customer | undefined {
    return this.#map.get(key)
  }

  has(key: string): boolean {
    return this.#map.has(key)
  }

  set(key: string, record: Customer): void {
    this.#map.set(key, record)
  }

  delete(key: string): void {
    this.#map.delete(key)
  }

  iterate(most: number): number {
    let count = 0
    let read = 0
    for (const [key, record] of this.#map) {
      read += key.length + consume(record)
      if (++count === most) break
    }
    return read > 0 ? count : 0
  }

  clear(): void {
    this.#map.clear()
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

export const open: OpenPeer = async (_folder, { engine }) => new Forkstore(await openStore({ engine }))
