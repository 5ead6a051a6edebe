import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Result } from './runner.js'

/** bench/results/, from bench/build/lib/. */
const folder = fileURLToPath(new URL('../../results/', import.meta.url))
/** docs/figures/: what the project's pages show. */
export const figuresFolder = fileURLToPath(new URL('../../../docs/figures/', import.meta.url))

export function save(result: Result): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}${result.benchmark}.json`, `${JSON.stringify(result, null, 1)}\n`)
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
