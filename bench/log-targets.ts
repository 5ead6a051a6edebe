import type { Rows, Target } from './verdict.js'

const million = 1_000_000

/** Durable commits of 64 writers, against the best of some ways to use a peer. */
function commits(what: string, ...peers: string[]): Target {
  return {
    what: `durable commits per second, 64 writers, against ${what}`,
    wanted: 'more',
    bound: { atLeast: 1 },
    benchmark: 'commit',
    metric: 'commitsPerSecond',
    ours: (rows) => rows('forkstore', 'commitsPerSecond'),
    theirs: (rows) => best(rows, peers),
  }
}

function best(rows: Rows, peers: string[]): number | undefined {
  const found = peers.map((peer) => rows(peer, 'commitsPerSecond')).filter((value) => value !== undefined)
  return found.length === 0 ? undefined : Math.max(...found)
}

/** What the log must show. */
export const logTargets: Target[] = [
  {
    what: "set with the log on ('everysec'), against off (1M)",
    wanted: '1.5x the time',
    bound: { atMost: 1.5 },
    benchmark: 'log',
    metric: 'everysecSetNs',
    ours: (rows) => rows('forkstore', 'everysecSetNs', million),
    theirs: (rows) => rows('forkstore', 'offSetNs', million),
  },
  {
    what: 'event-loop delay p99.9 under steady writes, log on against off (1M)',
    wanted: '1.5x',
    bound: { atMost: 1.5 },
    benchmark: 'log',
    metric: 'everysecP999Ms',
    ours: (rows) => rows('forkstore', 'everysecP999Ms', million),
    theirs: (rows) => rows('forkstore', 'offP999Ms', million),
  },
  {
    what: 'one writer, set and await commit(), against write and fdatasync of as many bytes',
    wanted: '1.4x the time',
    bound: { atMost: 1.4 },
    benchmark: 'commit',
    metric: 'oneWriterMs',
    ours: (rows) => rows('forkstore', 'oneWriterMs'),
    theirs: (rows) => rows('forkstore', 'bareMs'),
  },
  {
    what: "commits per second of 64 writers, against the disk's fdatasyncs",
    wanted: '20x',
    bound: { atLeast: 20 },
    benchmark: 'commit',
    metric: 'commitsPerSecond',
    ours: (rows) => rows('forkstore', 'commitsPerSecond'),
    theirs: (rows) => rows('forkstore', 'barePerSecond'),
  },
  commits('Redis (appendfsync always)', 'redis', 'redis-connections'),
  commits('lmdb', 'lmdb', 'lmdb-in-turn'),
  commits('better-sqlite3 (WAL, FULL)', 'sqlite'),
  commits('better-sqlite3, a transaction for each turn', 'sqlite-batched'),
  {
    what: 'replay, operations per second, against live set (2M operations)',
    wanted: '1x',
    bound: { atLeast: 1 },
    benchmark: 'replay',
    metric: 'replayPerSecond',
    ours: (rows) => rows('forkstore', 'replayPerSecond', million),
    theirs: (rows) => rows('forkstore', 'setPerSecond', million),
  },
]
