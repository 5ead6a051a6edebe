import type { Case, Options } from '../lib/benchmark.js'

/** What a snapshot did to the server. */
export interface Saved {
  /** How long it held the event loop; of Redis, its own. */
  pauseMs: number
  /** How it was taken, where there is a choice. */
  strategy?: string
}

/**
 * Where the server of `request` keeps its data: records under numbers below `entries`, or members of large objects
 * (`placeOf`). Each operation gives the text of the answer, JSON; a backend in this process at once.
 */
export interface Backend {
  /** All data, in steps that leave turns to the event loop; saved in the end, where there is saving. */
  fill(): Promise<void>
  read(number: number): string | Promise<string>
  /** Adds 1 to a counter. */
  increment(number: number): string | Promise<string>
  /** Adds 1 to a counter and sets another field. */
  patch(number: number): string | Promise<string>
  /** Missing where nothing is ever saved. */
  snapshot?(): Promise<Saved>
  close(): Promise<void> | void
}

/** How much data there is: records, or members of so many objects. */
export interface Extent {
  entries: number
  objects: number | undefined
}

export type OpenBackend = (folder: string, extent: Extent, options: Options) => Promise<Backend> | Backend

/** Of each contender of `request`; loaded only when it is measured. */
const backends: Record<string, () => Promise<OpenBackend>> = {
  nothing: async () => (await import('./nothing.js')).open,
  map: async () => (await import('./map.js')).open,
  'forkstore-fork': async () => (await import('./forkstore.js')).openWith({ strategy: 'fork' }),
  'forkstore-copy': async () => (await import('./forkstore.js')).openWith({ strategy: 'copy' }),
  'forkstore-auto': async () => (await import('./forkstore.js')).openWith({ strategy: 'auto' }),
  'forkstore/js': async () => (await import('./forkstore.js')).openWith({ engine: 'js' }),
  redis: async () => (await import('./redis.js')).open,
}

export async function openBackend(one: Case, folder: string, options: Options): Promise<Backend> {
  const load = backends[one.contender]
  if (load === undefined) throw new Error(`no such contender: ${one.contender}`)
  return (await load())(folder, extentOf(one), options)
}

export function extentOf({ entries = 0, objects }: Case): Extent {
  return { entries, objects }
}

/** How many there are to choose from. */
export function countOf({ entries, objects = 1 }: Extent): number {
  return entries * objects
}

/** Neighbouring numbers are in different objects. */
export function placeOf(number: number, objects: number): { object: number; member: number } {
  return { object: number % objects, member: Math.floor(number / objects) }
}

export function nameOf(object: number): string {
  return `big${object}`
}
