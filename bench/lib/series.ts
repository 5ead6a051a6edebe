/** Latency over time, in buckets, while snapshots run. All times are milliseconds since the start. */
export interface LatencySeries {
  columns: ['atMs', 'p99Ms', 'maxMs']
  bucketMs: number
  points: [atMs: number, p99Ms: number, maxMs: number][]
  snapshots: { startMs: number; endMs: number; pauseMs: number }[]
}
