import MegaHash from 'megahash'
import { consume, type Customer } from '../lib/records.js'
import type { OpenPeer, Peer } from './peer.js'

/** Off the heap, without persistence; stores an object as its JSON text by itself. */
class Mega implements Peer {
  readonly #hash = new MegaHash()

  get(key: string): Customer | undefined {
    return this.#hash.get(key) as Customer | undefined
  }

  has(key: string): boolean {
    return this.#hash.has(key)
  }

  set(key: string, record: Customer): void {
    this.#hash.set(key, record)
  }

  delete(key: string): void {
    this.#hash.delete(key)
  }

  iterate(most: number): number {
    let count = 0
    let read = 0
    for (let key = this.#hash.nextKey(); key !== undefined; key = this.#hash.nextKey(key)) {
      read += key.length + consume(this.#hash.get(key) as Customer)
      if (++count === most) break
    }
    return read > 0 ? count : 0
  }

  clear(): void {
    this.#hash.clear()
  }

  close(): void {
    this.#hash.clear()
  }
}

export const open: OpenPeer = () => new Mega()
