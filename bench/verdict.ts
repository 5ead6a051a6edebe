import { drawn, format } from './lib/report.js'
import type { Result, Row } from './lib/runner.js'
import { logTargets } from './log-targets.js'
import { snapshotTargets } from './snapshot-targets.js'

/** A promise of the project, as a ratio within one run: ours over theirs. */
export interface Target {
  what: string
  /** How the target is written. */
  wanted: string
  /** Where less is better, and where more is. */
  bound: { atMost: number } | { atLeast: number }
  benchmark: string
  /** [ours, theirs], in one unit whose name `metric` ends in. */
  metric: string
  ours: (rows: Rows) => number | undefined
  theirs: (rows: Rows) => number | undefined
  /** A limit of its own, in the unit of `metric`. */
  absolute?: number
}

/** Looks up a median. */
export type Rows = (contender: string, metric: string, size?: number) => number | undefined

const million = 1_000_000

function operation(what: string, metric: string, peer: string, wanted: string, atMost: number): Target {
  return {
    what,
    wanted,
    bound: { atMost },
    benchmark: 'operations',
    metric,
    ours: (rows) => rows('forkstore', metric, million),
    theirs: (rows) => rows(peer, metric, million),
  }
}

function fasterThan(peer: string): Target[] {
  return [
    operation(`get, against ${peer} (1M)`, 'getNs', peer, '4x as fast', 1 / 4),
    operation(`overwrite, against ${peer} (1M)`, 'overwriteNs', peer, '4x as fast', 1 / 4),
  ]
}

function pause(size: number): Target {
  return {
    what: `pauseMs, against the JSON twin's stall (${size.toLocaleString('en')})`,
    wanted: '1/500',
    bound: { atMost: 1 / 500 },
    benchmark: 'pause',
    metric: 'stallMs',
    ours: (rows) => rows('forkstore', 'stallMs', size),
    theirs: (rows) => rows('map-json', 'stallMs', size),
  }
}

/** What one gets who chooses nothing. */
function request(rows: Rows, metric: string): number | undefined {
  return rows('forkstore-auto', metric, 5 * million) ?? rows('forkstore', metric, 5 * million)
}

/** The tree of a million users against the same objects in plain JavaScript. */
function tree(
  what: string,
  wanted: string,
  atMost: number,
  metric: string,
  others: Partial<Target> = {},
): Target {
  return {
    what: `tree: ${what} (1M)`,
    wanted,
    bound: { atMost },
    benchmark: 'tree',
    metric,
    ours: (rows) => rows('tree', metric, million),
    theirs: (rows) => rows('plain', metric, million),
    ...others,
  }
}

function transaction(contender: string, where: string): Target {
  return {
    what: `a transaction of 10 writes, against 10 bare writes (${where})`,
    wanted: '1.5x the time',
    bound: { atMost: 1.5 },
    benchmark: 'transaction',
    metric: 'transactionNs',
    ours: (rows) => rows(contender, 'transactionNs', million),
    theirs: (rows) => rows(contender, 'bareNs', million),
  }
}

const targets: Target[] = [
  pause(million),
  pause(5 * million),
  {
    what: 'request p99.9, snapshots back to back against none (5M)',
    wanted: '1.1x',
    bound: { atMost: 1.1 },
    benchmark: 'request',
    metric: 'quietP999Ms',
    ours: (rows) => request(rows, 'busyP999Ms'),
    theirs: (rows) => request(rows, 'quietP999Ms'),
  },
  {
    what: "fork of a 1 GiB store, against Redis's latest_fork_usec",
    wanted: '1/8',
    bound: { atMost: 1 / 8 },
    benchmark: 'fork',
    metric: 'forkMs',
    ours: (rows) => rows('forkstore', 'forkMs', 1024),
    theirs: (rows) => rows('redis', 'forkMs', 1024),
  },
  operation('get, against JS Map (1M)', 'getNs', 'map', '0.9x the time', 0.9),
  operation('overwrite, against JS Map (1M)', 'overwriteNs', 'map', '0.9x the time', 0.9),
  operation('insert, against JS Map (1M)', 'insertNs', 'map', '0.7x the time', 0.7),
  ...['megahash', 'lmdb', 'sqlite'].flatMap(fasterThan),
  {
    what: 'memory of a record (resident), against JS Map (heap)',
    wanted: '0.4x',
    bound: { atMost: 0.4 },
    benchmark: 'memory',
    metric: 'residentPerRecordBytes',
    ours: (rows) => rows('forkstore', 'residentPerRecordBytes', million),
    theirs: (rows) => rows('map', 'heapPerRecordBytes', million),
  },
  {
    what: 'full GC with the data in place, against JS Map (1M)',
    wanted: '0.05x',
    bound: { atMost: 0.05 },
    benchmark: 'memory',
    metric: 'collectionMs',
    ours: (rows) => rows('forkstore', 'collectionMs', million),
    theirs: (rows) => rows('map', 'collectionMs', million),
  },
  {
    what: "longest single set while growing to 5 million, against JS Map's",
    wanted: '1/50, under 2 ms',
    bound: { atMost: 1 / 50 },
    absolute: 2,
    benchmark: 'growth',
    metric: 'setMaxMs',
    ours: (rows) => rows('forkstore', 'setMaxMs', 5 * million),
    theirs: (rows) => rows('map', 'setMaxMs', 5 * million),
  },
  {
    what: 'image write, against a raw sequential O_DIRECT write',
    wanted: '0.7x the rate',
    bound: { atLeast: 0.7 },
    benchmark: 'image',
    metric: 'imageMBps',
    ours: (rows) => rows('forkstore', 'imageMBps', 5 * million),
    theirs: (rows) => rows('forkstore', 'rawMBps', 5 * million),
  },
  {
    what: "open, against JSON.parse of the twin's file (1M)",
    wanted: '1/10 of the time',
    bound: { atMost: 1 / 10 },
    benchmark: 'open',
    metric: 'openMs',
    ours: (rows) => rows('forkstore', 'openMs', million),
    theirs: (rows) => rows('json-parse', 'openMs', million),
  },
  tree('root.users[email].visits, against plain objects', '2x the time', 2, 'readNs'),
  tree('root.users[email].visits++, against plain objects', '3x the time', 3, 'incrementNs'),
  tree('newsletter share by query(), against Object.values', '2x the time', 2, 'countNs'),
  tree('newsletter share by map.count(), against Object.values', '2x the time', 2, 'countNs', {
    ours: (rows) => rows('map', 'countNs', million),
  }),
  tree('memory of a user (resident), against plain objects (heap)', '0.6x', 0.6, 'residentPerUserBytes', {
    theirs: (rows) => rows('plain', 'heapPerUserBytes', million),
  }),
  tree('full GC with the tree in place, against plain objects', '0.05x', 0.05, 'collectionMs'),
  transaction('map', 'a map'),
  transaction('tree', 'the tree'),
  ...logTargets,
  ...snapshotTargets,
]

function lookUp(result: Result): Rows {
  return (contender, metric, size) => {
    const fits = (row: Row): boolean =>
      row.contender === contender &&
      row.objects === undefined &&
      (size === undefined || row.entries === size || row.mebibytes === size)
    return result.rows.find(fits)?.figures[metric]?.median
  }
}

export interface Verdict {
  what: string
  wanted: string
  ours: string
  theirs: string
  ratio: string
  met: boolean | undefined
}

function ratioText(ratio: number): string {
  if (ratio > 0.2) return `${Number(ratio.toPrecision(3))}x`
  return `1/${Number((1 / ratio).toPrecision(3))}`
}

function isWithin(ratio: number, bound: Target['bound']): boolean {
  return 'atMost' in bound ? ratio <= bound.atMost : ratio >= bound.atLeast
}

/** One line for each target; `met` is undefined where there is no measurement. */
export function judge(results: Map<string, Result>): Verdict[] {
  return targets.map((target) => {
    const result = results.get(target.benchmark)
    const rows = result === undefined ? undefined : lookUp(result)
    const ours = rows && target.ours(rows)
    const theirs = rows && target.theirs(rows)
    const base = { what: target.what, wanted: target.wanted }
    if (ours === undefined || theirs === undefined) {
      return { ...base, ours: '', theirs: '', ratio: 'not measured', met: undefined }
    }
    const ratio = ours / theirs
    return {
      ...base,
      ours: format(target.metric, ours),
      theirs: format(target.metric, theirs),
      ratio: ratioText(ratio),
      met: isWithin(ratio, target.bound) && ours <= (target.absolute ?? Infinity),
    }
  })
}

const words = new Map([
  [true, 'met'],
  [false, 'MISSED'],
  [undefined, '-'],
])

/** Head and body. */
export function linesOfVerdicts(verdicts: Verdict[]): string[][] {
  return [
    ['measure', 'wanted', 'forkstore', 'against', 'ratio', 'verdict'],
    ...verdicts.map((one) => [
      one.what,
      one.wanted,
      one.ours,
      one.theirs,
      one.ratio,
      words.get(one.met) ?? '',
    ]),
  ]
}

export function tableOfVerdicts(verdicts: Verdict[]): string {
  return `\nverdict: ratios of the medians within one run\n${drawn(linesOfVerdicts(verdicts))}`
}
