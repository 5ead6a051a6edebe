import type { Target } from './verdict.js'

const gibibytes = [1, 4, 10]
const copy = 'forkstore copy'

/** One target of each strategy. */
function ofEach(target: (contender: string, strategy: string) => Target): Target[] {
  return [target('forkstore', 'fork'), target(copy, 'copy')]
}

/** A pause that does not grow, whatever was written before. */
export const snapshotTargets: Target[] = [
  ...gibibytes.map((size): Target => {
    return {
      what: `pause by copy right after heavy random writes, ${size} GiB, against that at 1 GiB`,
      wanted: '1.2x, under 0.1 ms',
      bound: { atMost: 1.2 },
      benchmark: 'fork',
      metric: 'afterWritesPauseMs',
      ours: (rows) => rows(copy, 'afterWritesPauseMs', size * 1024),
      theirs: (rows) => rows(copy, 'afterWritesPauseMs', 1024),
      absolute: 0.1,
    }
  }),
  {
    what: "the same against Redis's fork with as many bytes, 4 GiB",
    wanted: '1/300',
    bound: { atMost: 1 / 300 },
    benchmark: 'fork',
    metric: 'afterWritesPauseMs',
    ours: (rows) => rows(copy, 'afterWritesPauseMs', 4096),
    theirs: (rows) => rows('redis', 'forkMs', 4096),
  },
  {
    what: 'p99.9 of a set while a snapshot runs under random writes, copy against fork, 1 GiB',
    wanted: '0.3x',
    bound: { atMost: 0.3 },
    benchmark: 'fork',
    metric: 'duringSetP999Us',
    ours: (rows) => rows(copy, 'duringSetP999Us', 1024),
    theirs: (rows) => rows('forkstore', 'duringSetP999Us', 1024),
  },
  ...ofEach((contender, strategy) => {
    return {
      what: `p99 of a commit while a snapshot of 4 GiB is written, against none (${strategy})`,
      wanted: '2x',
      bound: { atMost: 2 },
      benchmark: 'commit-saving',
      metric: 'savingP99Ms',
      ours: (rows) => rows(contender, 'savingP99Ms', 4096),
      theirs: (rows) => rows(contender, 'quietP99Ms', 4096),
    }
  }),
  ...ofEach((contender, strategy) => {
    return {
      what: `memory at the peak of a snapshot under 10% random updates, against Redis's (5M, ${strategy})`,
      wanted: '0.8x',
      bound: { atMost: 0.8 },
      benchmark: 'peak',
      metric: 'peakBytes',
      ours: (rows) => rows(contender, 'peakBytes', 5_000_000),
      theirs: (rows) => rows('redis', 'peakBytes', 5_000_000),
    }
  }),
  ...ofEach((contender, strategy) => {
    return {
      what: `pause of the 100th snapshot against the first, random writes between (${strategy})`,
      wanted: '1.2x',
      bound: { atMost: 1.2 },
      benchmark: 'hundred',
      metric: 'lastPauseMs',
      ours: (rows) => rows(contender, 'lastPauseMs', 256),
      theirs: (rows) => rows(contender, 'firstPauseMs', 256),
    }
  }),
]
