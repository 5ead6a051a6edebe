import { build, type Histogram } from 'hdr-histogram-js'
import { max, median, min } from 'simple-statistics'

/** A figure over all rounds. */
export interface Figure {
  /** What is shown; of a maximum the highest of the rounds (`Benchmark.maxima`). */
  median: number
  low: number
  high: number
}

export function figureOf(samples: number[]): Figure {
  return { median: median(samples), low: min(samples), high: max(samples) }
}

export { median }

/** Latencies from 1 ns to a minute, with three significant digits. */
export function newHistogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 60e9, numberOfSignificantValueDigits: 3 })
}

export function record(histogram: Histogram, milliseconds: number): void {
  histogram.recordValue(Math.min(60e9, Math.max(1, Math.round(milliseconds * 1e6))))
}

/** In milliseconds. */
export function percentile(histogram: Histogram, percent: number): number {
  return histogram.getValueAtPercentile(percent) / 1e6
}

export function maximum(histogram: Histogram): number {
  return histogram.maxValue / 1e6
}

/** p50, p99, p99.9 and the longest, as metrics whose names begin with `prefix`. */
export function percentilesOf(prefix: string, histogram: Histogram): Record<string, number> {
  return {
    [`${prefix}P50Ms`]: percentile(histogram, 50),
    [`${prefix}P99Ms`]: percentile(histogram, 99),
    [`${prefix}P999Ms`]: percentile(histogram, 99.9),
    [`${prefix}MaxMs`]: maximum(histogram),
  }
}
