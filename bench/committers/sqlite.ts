import Database from 'better-sqlite3'
import { join } from 'node:path'
import { keyOf, recordOf, type Customer } from '../lib/records.js'
import type { Committer } from './committer.js'

/** One table of keys and JSON texts, prepared statements. WAL with synchronous=FULL: each commit is synced. */
function openDatabase(folder: string) {
  const database = new Database(join(folder, 'sqlite.db'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID')
  const statement = database.prepare<[string, string]>(
    'INSERT INTO entries VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  )
  const set = (key: string, record: Customer): void => void statement.run(key, JSON.stringify(record))
  return {
    database,
    set,
    fill: database.transaction((entries: number) => {
      for (let i = 0; i < entries; i++) set(keyOf(i), recordOf(i))
    }),
  }
}

/** A transaction for each write: what the API offers. It holds the event loop, so that nothing is shared. */
export function open(folder: string): Committer {
  const { database, set, fill } = openDatabase(folder)
  return {
    fill: (entries) => Promise.resolve(fill(entries)),
    write: (key, record) => Promise.resolve(set(key, record)),
    close: () => Promise.resolve(void database.close()),
  }
}

interface Waiting {
  key: string
  record: Customer
  resolve: () => void
  reject: (error: unknown) => void
}

/** What one would build on it to share syncs: all writes of a turn of the event loop in one transaction. */
export function openBatched(folder: string): Committer {
  const { database, set, fill } = openDatabase(folder)
  let waiting: Waiting[] = []
  const setAll = database.transaction((writes: Waiting[]) => {
    for (const { key, record } of writes) set(key, record)
  })

  function commitAll(): void {
    const writes = waiting
    waiting = []
    try {
      setAll(writes)
    } catch (error) {
      for (const { reject } of writes) reject(error)
      return
    }
    for (const { resolve } of writes) resolve()
  }

  return {
    fill: (entries) => Promise.resolve(fill(entries)),
    write: (key, record) =>
      new Promise((resolve, reject) => {
        if (waiting.push({ key, record, resolve, reject }) === 1) setImmediate(commitAll)
      }),
    close: () => Promise.resolve(void database.close()),
  }
}
