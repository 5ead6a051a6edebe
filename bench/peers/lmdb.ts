import { open as openLmdb, type RootDatabase } from 'lmdb'
import { join } from 'node:path'
import { consume, type Customer } from '../lib/records.js'
import type { OpenPeer, Peer } from './peer.js'

/** Values as MessagePack. `noSync`: the disk is not part of the comparison. */
class Lmdb implements Peer {
  readonly #database: RootDatabase<Customer, string>

  constructor(folder: string) {
    this.#database = openLmdb<Customer, string>({
      path: join(folder, 'lmdb'),
      noSync: true,
      mapSize: 16 * 2 ** 30,
    })
  }

  get(key: string): Customer | undefined {
    return this.#database.get(key)
  }

  has(key: string): boolean {
    return this.#database.doesExist(key)
  }

  set(key: string, record: Customer): void {
    this.#database.putSync(key, record)
  }

  delete(key: string): void {
    this.#database.removeSync(key)
  }

  iterate(most: number): number {
    let count = 0
    let read = 0
    for (const { key, value } of this.#database.getRange()) {
      read += key.length + consume(value)
      if (++count === most) break
    }
    return read > 0 ? count : 0
  }

  clear(): void {
    this.#database.clearSync()
  }

  transaction(writes: () => void): void {
    this.#database.transactionSync(writes)
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}

export const open: OpenPeer = (folder) => new Lmdb(folder)
