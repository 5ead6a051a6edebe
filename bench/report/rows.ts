import { format } from '../lib/report.js'
import type { Result, Row } from '../lib/runner.js'
import { inOrder } from './contenders.js'

/** What the charts show where it was measured, else the largest size that was. */
export const usualEntries = 1_000_000

/** The rows of one size, in the order of the contenders. */
export function rowsOf(result: Result, entries: number, useful: (row: Row) => boolean): Row[] {
  const rows = result.rows.filter(useful)
  const sizes = new Set(rows.map((row) => row.entries ?? 0))
  const size = sizes.has(entries) ? entries : Math.max(0, ...sizes)
  return inOrder(rows.filter((row) => (row.entries ?? 0) === size))
}

export function has(...metrics: string[]): (row: Row) => boolean {
  return (row) => metrics.some((metric) => row.figures[metric] !== undefined)
}

/** `145 B`, `1.72M/s`. */
export function valueText(metric: string, value: number): string {
  if (!metric.endsWith('PerSecond')) return format(metric, value)
  return `${compact.format(value).replace('K', 'k')}/s`
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })
