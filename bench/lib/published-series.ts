import type { Result, Row } from './runner.js'

/** A course over time as it is published: beside the figures, in a file of its own. */
export interface PublishedSeries {
  benchmark: string
  /** Of the result that it belongs to. */
  date: string
  contender: string
  entries?: number
  series: NonNullable<Row['series']>
}

/** Those of stores of `entries` records: what charts show. */
export function seriesOf(results: Result[], entries: number): PublishedSeries[] {
  return results.flatMap(({ benchmark, date, rows }) =>
    rows.flatMap((row) => {
      if (row.series === undefined || row.entries !== entries) return []
      return [{ benchmark, date, contender: row.contender, entries, series: row.series }]
    }),
  )
}

/** The result, and the courses of this very run. */
export function withSeries(result: Result, published: PublishedSeries[]): Result {
  const ofRun = published.filter((one) => one.benchmark === result.benchmark && one.date === result.date)
  const rows = result.rows.map((row) => {
    const found = ofRun.find((one) => one.contender === row.contender && one.entries === row.entries)
    return found === undefined ? row : { ...row, series: found.series }
  })
  return { ...result, rows }
}

export function withoutSeries(result: Result): Result {
  return { ...result, rows: result.rows.map(({ series: _series, ...row }) => row) }
}

/** A line for each course, with as much as a chart shows: three digits, and of what is large a tenth. */
export function textOf(published: PublishedSeries[]): string {
  const shortened = (_name: string, value: unknown): unknown => {
    if (typeof value !== 'number') return value
    return value >= 100 ? Math.round(value * 10) / 10 : Number(value.toPrecision(3))
  }
  return `[\n${published.map((one) => JSON.stringify(one, shortened)).join(',\n')}\n]\n`
}
