/**
 * Whom the charts show, in this order: the name, and its colour on a light and on a dark page. Each colour has
 * a contrast of at least 3 to its page. Those that meet in one chart as lines (a fork, a copy, Redis) differ for
 * colour-blind readers as well; everything else has its name beside it.
 */
export interface Contender {
  name: string
  light: string
  dark: string
}

const contenders: Record<string, Contender> = {
  forkstore: { name: 'forkstore', light: '#0067b1', dark: '#56b4e9' },
  'forkstore copy': { name: 'forkstore, copy', light: '#4a2f00', dark: '#efe0b8' },
  twin: { name: 'forkstore/js', light: '#5a63c7', dark: '#9aa2ff' },
  map: { name: 'Map', light: '#a8457f', dark: '#e08fc0' },
  'map-json': { name: 'Map + JSON', light: '#a8457f', dark: '#e08fc0' },
  'map-v8': { name: 'Map + v8.serialize', light: '#8f6b00', dark: '#e0bf4a' },
  'json-parse': { name: 'JSON.parse alone', light: '#a8457f', dark: '#e08fc0' },
  redis: { name: 'Redis', light: '#c94f00', dark: '#ff9350' },
  'redis-connections': { name: 'Redis, 64 sockets', light: '#c94f00', dark: '#ff9350' },
  lmdb: { name: 'lmdb', light: '#7d5a46', dark: '#cfa58c' },
  'lmdb-in-turn': { name: 'lmdb, in turn', light: '#7d5a46', dark: '#cfa58c' },
  sqlite: { name: 'better-sqlite3', light: '#00855f', dark: '#2ec592' },
  'sqlite-batched': { name: 'SQLite, batched', light: '#00855f', dark: '#2ec592' },
  megahash: { name: 'MegaHash', light: '#6b7178', dark: '#a4abb3' },
}

const order = Object.keys(contenders)

/** Longer than any above: what takes more leaves no room for a chart. */
const mostLetters = 18

/** One that nobody has named yet is grey, under its own name. */
export function contenderOf(key: string): Contender {
  const name = key.length > mostLetters ? `${key.slice(0, mostLetters - 1)}…` : key
  return contenders[key] ?? { name, light: '#6b7178', dark: '#a4abb3' }
}

/** Those that are known in their order, then the others. */
export function inOrder<T extends { contender: string }>(rows: T[]): T[] {
  const place = ({ contender }: T): number => {
    const index = order.indexOf(contender)
    return index === -1 ? order.length : index
  }
  return rows.toSorted((a, b) => place(a) - place(b))
}

/** `--map-json`, and for the unknown `--other`: the custom property of a page that holds the colour. */
export function propertyOf(key: string): string {
  return key in contenders ? `--${key.replaceAll(' ', '-')}` : '--other'
}

export const allContenders: [key: string, contender: Contender][] = Object.entries(contenders)
