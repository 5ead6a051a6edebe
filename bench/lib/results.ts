import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { seriesOf, textOf, withoutSeries, withSeries, type PublishedSeries } from './published-series.js'
import type { Result } from './runner.js'

/** bench/results/, from bench/build/lib/. */
export const resultsFolder = fileURLToPath(new URL('../../results/', import.meta.url))
/** docs/figures/: what the project's pages show. */
export const figuresFolder = fileURLToPath(new URL('../../../docs/figures/', import.meta.url))
const figuresFile = `${figuresFolder}figures.json`
/** The courses over time, in a file of their own: many numbers, of which only charts are made. */
const seriesFile = `${figuresFolder}series.json`

export function save(result: Result): void {
  mkdirSync(resultsFolder, { recursive: true })
  writeFileSync(`${resultsFolder}${result.benchmark}.json`, `${JSON.stringify(result, null, 1)}\n`)
}

/** The last result of each of `benchmarks`, by what is published already where it was not run here. */
export function merged(benchmarks: string[]): Map<string, Result> {
  const fresh = load(benchmarks)
  const published = JSON.parse(readFileSync(figuresFile, 'utf8')) as Result[]
  const series = JSON.parse(readFileSync(seriesFile, 'utf8')) as PublishedSeries[]
  const results = new Map<string, Result>()
  for (const name of benchmarks) {
    const old = published.find(({ benchmark }) => benchmark === name)
    const result = fresh.get(name) ?? (old === undefined ? undefined : withSeries(old, series))
    if (result !== undefined) results.set(name, result)
  }
  return results
}

/** Figures in one file, and in another the courses over time of stores of `entries` records. */
export function saveFigures(results: Map<string, Result>, entries: number): void {
  const all = [...results.values()]
  writeFileSync(figuresFile, `${JSON.stringify(all.map(withoutSeries), null, 1)}\n`)
  writeFileSync(seriesFile, textOf(seriesOf(all, entries)))
}

/** The last result of each benchmark that has been run. */
export function load(benchmarks: string[]): Map<string, Result> {
  const results = new Map<string, Result>()
  for (const name of benchmarks) {
    try {
      results.set(name, JSON.parse(readFileSync(`${resultsFolder}${name}.json`, 'utf8')) as Result)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return results
}
