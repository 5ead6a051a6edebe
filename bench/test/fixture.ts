import type { Result, Row } from '../lib/runner.js'
import type { Series } from '../lib/series.js'

/** A name as nobody should choose it: it must come out as text. */
export const hostileName = '<img src="https://example.com/x" onerror="throw 1">'

function figures(values: Record<string, number>): Row['figures'] {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      { median: value, low: value * 0.9, high: value * 1.2 },
    ]),
  )
}

function row(
  contender: string,
  size: Pick<Row, 'entries' | 'mebibytes'>,
  values: Record<string, number>,
): Row {
  return { contender, ...size, rounds: 3, figures: figures(values) }
}

function result(benchmark: string, rows: Row[]): [string, Result] {
  const environment = {
    node: '20.19.0',
    v8: '11.3',
    platform: 'linux-x64',
    kernel: '6.1',
    cores: 2,
    memoryGiB: 8,
    fileSystem: 'ext4',
    Redis: '7.0.15',
  }
  const title = `what ${benchmark} measures`
  return [
    benchmark,
    { benchmark, title, date: '2026-01-02T03:04:05.678Z', environment, busyShareBefore: 0, rows },
  ]
}

const million = { entries: 1_000_000 }

/** Stalls of `stallMs` after one and after three seconds. */
function stalls(stallMs: number): [number, number][] {
  return Array.from({ length: 600 }, (_, index) => {
    const sinceMs = (index * 10) % 3000
    return [index * 10, index % 300 === 100 ? stallMs : (5 + 5 * (sinceMs % 70)) / 1000]
  })
}

function overHttp(pauseMs: number): Series {
  return {
    columns: ['atMs', 'p99Ms', 'maxMs'],
    bucketMs: 20,
    points: Array.from({ length: 150 }, (_, index) => [
      index * 20,
      (6 + (index % 7)) / 10,
      index % 25 === 12 ? pauseMs + 1 : (12 + (index % 11)) / 10,
    ]),
    snapshots: [250, 750, 1250, 1750, 2250].map((startMs) => ({ startMs, endMs: startMs + 220, pauseMs })),
  }
}

/** Results of every benchmark that the page has a chart of; nothing in them was measured. */
export const fixture = new Map<string, Result>([
  result(
    'pause',
    [
      ['forkstore', 1.5],
      ['map-json', 450],
      ['map-v8', 560],
    ].map(([contender, stallMs]) => ({
      ...row(contender as string, million, { stallMs: stallMs as number }),
      series: stalls(stallMs as number),
    })),
  ),
  result(
    'request',
    [
      ['forkstore', 2],
      ['forkstore copy', 0.4],
      ['map-json', 480],
    ].map(([contender, pauseMs]) => ({
      ...row(contender as string, million, { duringP99Ms: pauseMs as number }),
      series: overHttp(pauseMs as number),
    })),
  ),
  result(
    'fork',
    [64, 256, 1024, 4096].flatMap((mebibytes) => [
      row('forkstore', { mebibytes }, { forkMs: 0.7, pauseMs: 1 + mebibytes / 1500 }),
      row('redis', { mebibytes }, { forkMs: 1 + mebibytes / 70 }),
      row('forkstore copy', { mebibytes }, { pauseMs: 0.2 + mebibytes / 1200 }),
    ]),
  ),
  result(
    'operations',
    ['nothing', 'map', 'forkstore', 'megahash', 'lmdb', 'sqlite', hostileName].map((contender, index) =>
      row(contender, million, {
        insertNs: 700 + index * 300,
        getNs: 500 + index * 400,
        hasNs: 400 + index * 100,
        overwriteNs: 800 + index * 900,
        deleteNs: 600 + index * 50,
        ...(contender === 'nothing' ? {} : { iterateNs: 40 + index * 200 }),
      }),
    ),
  ),
  result(
    'commit',
    ['forkstore', 'redis', 'redis-connections', 'lmdb', 'lmdb-in-turn', 'sqlite', 'sqlite-batched'].map(
      (contender, index) => row(contender, { entries: 100_000 }, { commitsPerSecond: 70_000 / (1 + index) }),
    ),
  ),
  result(
    'memory',
    ['map', 'forkstore', 'megahash', 'sqlite'].map((contender, index) =>
      row(contender, million, {
        residentPerRecordBytes: 250 - index * 30,
        collectionMs: 180 / (1 + index * 20),
      }),
    ),
  ),
  result(
    'open',
    ['forkstore', 'json-parse', 'twin'].map((contender, index) =>
      row(contender, million, { openMs: 130 + index * 600 }),
    ),
  ),
  result('replay', [
    row('forkstore', million, {
      setPerSecond: 900_000,
      loggedSetPerSecond: 800_000,
      replayPerSecond: 1_400_000,
      openMs: 1400,
    }),
  ]),
])
