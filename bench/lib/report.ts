import Table from 'cli-table3'
import prettyBytes from 'pretty-bytes'
import type { Case } from './benchmark.js'
import type { Result, Row } from './runner.js'
import type { Figure } from './statistics.js'

/** Three significant digits, no exponent. */
function digits(value: number): string {
  if (value === 0) return '0'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

/** The unit is the end of a metric's name. */
const units: [suffix: string, format: (value: number) => string][] = [
  ['PerSecond', (value) => `${digits(value)}/s`],
  ['MBps', (value) => `${digits(value)} MB/s`],
  ['Ms', (value) => (value >= 1 || value === 0 ? `${digits(value)} ms` : `${digits(value * 1000)} us`)],
  ['Us', (value) => `${digits(value)} us`],
  ['Ns', (value) => `${digits(value)} ns`],
  ['Bytes', (value) => (value < 10_000 ? `${digits(value)} B` : prettyBytes(value, { binary: true }))],
  ['Count', (value) => digits(value)],
]

/** `getNs` -> `get`; `quietP999Ms` -> `quiet p99.9`. */
function heading(metric: string): string {
  const [suffix] = units.find(([end]) => metric.endsWith(end)) ?? ['']
  return metric
    .slice(0, metric.length - suffix.length)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace(/P99(9+)$/, 'P99.$1')
    .toLowerCase()
}

export function format(metric: string, value: number): string {
  const unit = units.find(([end]) => metric.endsWith(end))
  return unit === undefined ? digits(value) : unit[1](value)
}

function cell(metric: string, figure: Figure | undefined, rounds: number): string {
  if (figure === undefined) return ''
  const middle = format(metric, figure.median)
  if (rounds === 1 || figure.low === figure.high) return middle
  return `${middle} (${format(metric, figure.low)}-${format(metric, figure.high)})`
}

export function sizeOf({ entries, mebibytes, objects }: Case): string {
  if (mebibytes !== undefined) return `${mebibytes.toLocaleString('en')} MiB`
  if (entries === undefined) return ''
  const count = entries.toLocaleString('en')
  return objects === undefined ? count : `${objects} objects of ${count}`
}

/**
 * Head and body. Medians, and beside them the lowest and the highest of the rounds; a line for each figure
 * where there are more of them than cases.
 */
export function linesOf({ rows, against }: Result): string[][] {
  if (against !== undefined) return linesOfRatios(rows, against)
  const metrics = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))]
  const lines = [
    ['contender', 'size', ...metrics.map(heading), 'rounds'],
    ...rows.map((row) => [
      row.contender,
      sizeOf(row),
      ...metrics.map((metric) => cell(metric, row.figures[metric], row.rounds)),
      row.error === undefined ? String(row.rounds) : 'failed',
    ]),
  ]
  if (metrics.length <= rows.length) return lines
  return (lines[0] ?? []).map((_, column) => lines.map((line) => line[column] ?? ''))
}

/** A line for each figure at each size: all contenders, and forkstore's median over that of `against`. */
function linesOfRatios(rows: Row[], against: string): string[][] {
  const contenders = [...new Set(rows.map((row) => row.contender))]
  const lines = [['figure', 'size', ...contenders, `forkstore / ${against}`]]
  for (const entries of new Set(rows.map((row) => row.entries))) {
    const ofSize = new Map(rows.filter((row) => row.entries === entries).map((row) => [row.contender, row]))
    const names = new Set([...ofSize.values()].flatMap((row) => Object.keys(row.figures)))
    for (const name of names) {
      const ours = ofSize.get('forkstore')?.figures[name]?.median
      const theirs = ofSize.get(against)?.figures[name]?.median
      lines.push([
        heading(name),
        entries?.toLocaleString('en') ?? '',
        ...contenders.map((one) => cell(name, ofSize.get(one)?.figures[name], ofSize.get(one)?.rounds ?? 0)),
        ours === undefined || theirs === undefined ? '' : digits(ours / theirs),
      ])
    }
  }
  return lines
}

/** For the terminal. */
export function drawn(lines: string[][]): string {
  const [head = [], ...body] = lines
  const table = new Table({
    head,
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
    style: { head: [], border: [], compact: true },
  })
  table.push(...body)
  return table.toString()
}

export function tableOf(result: Result): string {
  return `\n${result.benchmark}: ${result.title}\n${drawn(linesOf(result))}`
}
