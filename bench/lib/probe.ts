import type { Histogram } from 'hdr-histogram-js'
import { SeriesBuilder } from './series.js'
import { newHistogram, record } from './statistics.js'

export interface ProbeOptions {
  /** Between two arrivals. */
  intervalMs: number
  /** Of the whole window. */
  durationMs: number
  /** What a request does. */
  request: (number: number) => void
}

export interface ProbeResult {
  histogram: Histogram
  /** Points for each hundredth of a second. */
  series: SeriesBuilder
}

const bucketMs = 10

/**
 * An open loop: request i arrives at `origin + i * intervalMs` whatever became of those before it, and its
 * latency runs from that moment to its end. So a stall of the event loop is charged to every request that
 * had to wait for it; a loop that sends the next request after the last would count it once (coordinated
 * omission).
 *
 * The loop turns on `setImmediate` and looks at the clock at each turn. A timer would be late by up to a
 * millisecond on its own, a hundred times what is measured here. The price is a busy core: the second one
 * is left to the snapshot's child.
 */
export function probe({ intervalMs, durationMs, request }: ProbeOptions): Promise<ProbeResult> {
  const histogram = newHistogram()
  const series = new SeriesBuilder(bucketMs)
  const total = Math.floor(durationMs / intervalMs)
  const origin = performance.now()
  let next = 0

  function note(scheduled: number, latency: number): void {
    record(histogram, latency)
    series.add(scheduled, latency)
  }

  return new Promise((resolve, reject) => {
    function turn(): void {
      try {
        while (next < total && next * intervalMs <= performance.now() - origin) {
          const scheduled = next * intervalMs
          request(next++)
          note(scheduled, performance.now() - origin - scheduled)
        }
      } catch (error) {
        reject(error as Error)
        return
      }
      if (next < total) setImmediate(turn)
      else resolve({ histogram, series })
    }
    setImmediate(turn)
  })
}
