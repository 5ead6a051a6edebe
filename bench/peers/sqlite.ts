import Database from 'better-sqlite3'
import { consume, type Customer } from '../lib/records.js'
import type { OpenPeer, Peer } from './peer.js'

interface Entry {
  key: string
  value: string
}

/** better-sqlite3 in memory: one table of keys and JSON texts, prepared statements. */
class Sqlite implements Peer {
  readonly #database = new Database(':memory:')
  readonly #get
  readonly #has
  readonly #set
  readonly #delete
  readonly #all

  constructor() {
    const database = this.#database
    database.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID')
    this.#get = database.prepare<[string], string>('SELECT value FROM entries WHERE key = ?').pluck()
    this.#has = database.prepare<[string], number>('SELECT 1 FROM entries WHERE key = ?').pluck()
    this.#set = database.prepare<[string, string]>(
      'INSERT INTO entries VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
    this.#delete = database.prepare<[string]>('DELETE FROM entries WHERE key = ?')
    this.#all = database.prepare<[], Entry>('SELECT key, value FROM entries')
  }

  get(key: string): Customer | undefined {
    const text = this.#get.get(key)
    return text === undefined ? undefined : (JSON.parse(text) as Customer)
  }

  has(key: string): boolean {
    return this.#has.get(key) !== undefined
  }

  set(key: string, record: Customer): void {
    this.#set.run(key, JSON.stringify(record))
  }

  delete(key: string): void {
    this.#delete.run(key)
  }

  iterate(most: number): number {
    let count = 0
    let read = 0
    for (const { key, value } of this.#all.iterate()) {
      read += key.length + consume(JSON.parse(value) as Customer)
      if (++count === most) break
    }
    return read > 0 ? count : 0
  }

  clear(): void {
    this.#database.exec('DELETE FROM entries')
  }

  transaction(writes: () => void): void {
    this.#database.transaction(writes)()
  }

  close(): void {
    this.#database.close()
  }
}

export const open: OpenPeer = () => new Sqlite()
