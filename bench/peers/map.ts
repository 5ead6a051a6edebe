import { consume, type Customer } from '../lib/records.js'
import type { OpenPeer, Peer } from './peer.js'

class JavaScriptMap implements Peer {
  #map = new Map<string, Customer>()

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

  close(): void {
    this.#map.clear()
  }
}

export const open: OpenPeer = () => new JavaScriptMap()
