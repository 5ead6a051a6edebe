import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Result } from './runner.js'

/** bench/results/, from bench/build/lib/. */
const folder = fileURLToPath(new URL('../../results/', import.meta.url))
/** docs/figures/: what the project's pages show. */
export const figuresFolder = fileURLToPath(new URL('../../../docs/figures/', import.meta.url))
const figuresFile = `${figuresFolder}figures.json`

export function save(result: Result): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}${result.benchmark}.json`, `${JSON.stringify(result, null, 1)}\n`)
}

/** The last result of each of `benchmarks`, by what is published already where it was not run here. */
export function merged(benchmarks: string[]): Map<string, Result> {
  const fresh = load(benchmarks)
  const published = JSON.parse(readFileSync(figuresFile, 'utf8')) as Result[]
  const results = new Map<string, Result>()
  for (const name of benchmarks) {
    const result = fresh.get(name) ?? published.find(({ benchmark }) => benchmark === name)
    if (result !== undefined) results.set(name, result)
  }
  return results
}

/** The courses over time are in the chart; as numbers they would only fill the repository. */
export function saveFigures(results: Map<string, Result>): void {
  const figures = [...results.values()].map((result) => ({
    ...result,
    rows: result.rows.map(({ series: _series, ...row }) => row),
  }))
  writeFileSync(figuresFile, `${JSON.stringify(figures, null, 1)}\n`)
}

/** The last result of each benchmark that has been run. */
export function load(benchmarks: string[]): Map<string, Result> {
  const results = new Map<string, Result>()
  for (const name of benchmarks) {
    try {
      results.set(name, JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8')) as Result)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return results
}
