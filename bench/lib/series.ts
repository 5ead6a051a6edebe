/** When a snapshot ran, in milliseconds since the series began, and how long it held the event loop. */
export interface SnapshotSpan {
  startMs: number
  endMs: number
  pauseMs: number
}

/**
 * A course of latencies over time, for a chart: one point for each `bucketMs` in which requests arrived, and the
 * snapshots that ran meanwhile. Times are milliseconds since the series began. A point begins with the start of
 * its bucket; a request counts in the bucket of its arrival. This is how `bench/results/*.json` holds it, as
 * `series` of a row, of the last round.
 */
export interface Series {
  columns: ['atMs', 'p99Ms', 'maxMs']
  bucketMs: number
  points: [atMs: number, p99Ms: number, maxMs: number][]
  snapshots: SnapshotSpan[]
}

/** As older figures have it, which stay published: of each bucket the longest latency alone. */
export type PlainSeries = [atMs: number, maxMs: number][]

/** Five significant digits: the file is read by people too. */
function rounded(value: number): number {
  return Number(value.toPrecision(5))
}

/** Collects latencies, in any order, and makes a series of them. */
export class SeriesBuilder {
  readonly #bucketMs: number
  /** Latencies of each bucket, by its number. */
  readonly #buckets: (number[] | undefined)[] = []

  constructor(bucketMs: number) {
    this.#bucketMs = bucketMs
  }

  add(atMs: number, latencyMs: number): void {
    const bucket = Math.floor(atMs / this.#bucketMs)
    const latencies = this.#buckets[bucket]
    if (latencies === undefined) this.#buckets[bucket] = [latencyMs]
    else latencies.push(latencyMs)
  }

  build(snapshots: SnapshotSpan[]): Series {
    const points: Series['points'] = []
    for (const [bucket, latencies] of this.#buckets.entries()) {
      if (latencies === undefined) continue
      latencies.sort((a, b) => a - b)
      const p99 = latencies[Math.ceil(0.99 * latencies.length) - 1]!
      points.push([bucket * this.#bucketMs, rounded(p99), rounded(latencies.at(-1)!)])
    }
    return {
      columns: ['atMs', 'p99Ms', 'maxMs'],
      bucketMs: this.#bucketMs,
      points,
      snapshots: snapshots.map(({ startMs, endMs, pauseMs }) => ({
        startMs: rounded(startMs),
        endMs: rounded(endMs),
        pauseMs: rounded(pauseMs),
      })),
    }
  }
}
