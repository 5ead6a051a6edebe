/** What the processes of the demo agree on: the records, the maps, and the messages between them. */
import type { SnapshotResult } from 'forkstore'

export type Package = {
  rank: number
  license: string
  publishedAt: number
  downloads: number
}

/** Map `packages`: name -> Package. */
export const PACKAGES = 'packages'
/** Map `totals`: `downloads` -> { count }. The count numbers the writes: 1 is the first. */
export const TOTALS = 'totals'
/** Map `top`: the most downloaded packages, name -> { downloads }. */
export const TOP = 'top'
export const TOP_SIZE = 10

const LICENSES = ['MIT', 'ISC', 'Apache-2.0', 'BSD-3-Clause', 'GPL-3.0-or-later', 'UNLICENSED']
const FIRST_PUBLICATION_MS = Date.UTC(2010, 0, 1)

/** The record as it is loaded, the same in every process. */
export function newPackage(index: number): Package {
  return {
    rank: index,
    license: LICENSES[index % LICENSES.length]!,
    publishedAt: FIRST_PUBLICATION_MS + index * 97_003,
    downloads: 0,
  }
}

/** Arguments of the processes, as JSON. */
export interface ServerOptions {
  folder: string
  engine: 'native' | 'js' | 'auto'
  entries: number
}
export interface LoadOptions {
  port: number
  entries: number
  requestsPerSecond: number
}
export interface TwinOptions {
  folder: string
  entries: number
  snapshots: number
}
export interface CheckOptions {
  folder: string
  engine: 'native' | 'js'
}

export interface Latency {
  p50Ms: number
  p99Ms: number
  p999Ms: number
  slowestMs: number
}

/** What the load generator saw in one second. */
export interface Second {
  issued: number
  writes: number
  /** undefined: nothing was answered. */
  latency: Latency | undefined
}

/** What came of the writes: the evidence that the check is made from. */
export interface Evidence {
  entries: number
  /** Of each answered write: the package's index, and the number that the server gave the write. */
  acknowledgedIndexes: Uint32Array
  acknowledgedNumbers: Uint32Array
  /** Packages of the writes that were sent and never answered: the server may have executed them. */
  unansweredIndexes: Uint32Array
  /** Writes executed when the last completed snapshot began: these must come back. */
  promisedWrites: number
}

export interface Verdict {
  engine: 'native' | 'js'
  openMs: number
  entries: number
  /** The store came back as it was after so many writes. */
  writes: number
  /** Answered writes that did not come back: those after the last snapshot. */
  lostWrites: number
  /** Empty: everything is as it must be. */
  problems: string[]
}

export type FromServer =
  | { type: 'loading'; loaded: number; elapsedMs: number }
  | { type: 'ready'; port: number; engine: 'native' | 'js'; warnings: string[]; liveBytes: number }
  | { type: 'snapshot'; result: SnapshotResult; writesBefore: number; liveBytes: number }
  | { type: 'dying' }

export type ToServer = { type: 'snapshot' } | { type: 'die' }

export type FromLoad =
  | { type: 'second'; second: Second }
  | {
      type: 'report'
      evidence: Omit<Evidence, 'promisedWrites'>
      /** Latency of requests that met a running snapshot, and of all others. */
      duringSnapshots: Latency | undefined
      otherwise: Latency | undefined
      /** Wrong or missing answers before the server was told to die. */
      problems: string[]
    }

export type ToLoad = { type: 'snapshot-running'; running: boolean } | { type: 'server-will-die' }

export type FromTwin =
  | { type: 'loading'; loaded: number; elapsedMs: number }
  | { type: 'pauses'; pauseMs: number[] }

export type FromCheck = { type: 'verdict'; verdict: Verdict }
