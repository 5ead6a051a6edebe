import ora from 'ora'
import type { Benchmark, Case, Metrics, Options, Sample } from './benchmark.js'
import { fileSystemOf } from './disk.js'
import { busyShare, environment } from './machine.js'
import { runInProcess } from './process.js'
import { sizeOf } from './report.js'
import { figureOf, type Figure } from './statistics.js'
import { versionsOf } from './versions.js'

/** A case over all its rounds. */
export interface Row extends Case {
  rounds: number
  figures: Record<string, Figure>
  /** Of the last round. */
  series?: NonNullable<Sample['series']>
  /** Why there are no figures, or fewer. */
  error?: string
}

/** What a benchmark found in one run; ratios are only taken within one. */
export interface Result {
  benchmark: string
  title: string
  date: string
  environment: Record<string, string | number>
  /** What other programs took of the machine just before. */
  busyShareBefore: number
  /** As the benchmark's. */
  against?: string
  rows: Row[]
}

export interface BenchmarkModule {
  benchmark: Benchmark
  /** Where its `measure` is found by a child process. */
  url: string
}

function describe(one: Case): string {
  const size = sizeOf(one)
  return size === '' ? one.contender : `${one.contender}, ${size}`
}

/** Runs every case in processes of its own: round by round, so that contenders take turns. */
export async function run({ benchmark, url }: BenchmarkModule, options: Options): Promise<Result> {
  const cases = benchmark.cases(options)
  const samples = new Map<Case, Sample[]>(cases.map((one) => [one, []]))
  const errors = new Map<Case, string>()
  const rounds = (one: Case): number => options.rounds ?? benchmark.rounds(one)
  const share = await busyShare()
  if (share > 0.1) ora().warn(`others use ${Math.round(share * 100)} % of this machine: figures will be off`)
  const started = performance.now()
  for (let round = 0; round < Math.max(...cases.map(rounds)); round++) {
    for (const one of cases) {
      if (round >= rounds(one) || errors.has(one)) continue
      const text = `${benchmark.name}: ${describe(one)} (round ${round + 1} of ${rounds(one)})`
      const progress = ora(text).start()
      try {
        samples.get(one)!.push(await runInProcess<Sample>(url, 'measure', one, options))
        progress.stop()
      } catch (error) {
        errors.set(one, (error as Error).message)
        progress.fail(`${text}: ${(error as Error).message}`)
        process.exitCode = 1
      }
    }
  }
  console.error(`${benchmark.name}: ${((performance.now() - started) / 1000).toFixed(0)} s`)
  return {
    benchmark: benchmark.name,
    title: benchmark.title,
    date: new Date().toISOString(),
    environment: {
      ...environment(),
      fileSystem: fileSystemOf(options.directory),
      ...versionsOf(cases.map((one) => one.contender)),
    },
    busyShareBefore: share,
    ...(benchmark.against === undefined ? {} : { against: benchmark.against }),
    rows: cases.map((one) => rowOf(one, samples.get(one)!, errors.get(one), benchmark.maxima)),
  }
}

function rowOf(one: Case, samples: Sample[], error: string | undefined, maxima: readonly string[] = []): Row {
  const names = new Set(samples.flatMap((sample) => Object.keys(sample.metrics)))
  const values = (name: string): number[] =>
    samples.map((sample: { metrics: Metrics }) => sample.metrics[name]).filter((value) => value !== undefined)
  const figure = (name: string): Figure => {
    const found = figureOf(values(name))
    return maxima.includes(name) ? { ...found, median: found.high } : found
  }
  const series = samples.at(-1)?.series
  return {
    ...one,
    rounds: samples.length,
    figures: Object.fromEntries([...names].map((name) => [name, figure(name)])),
    ...(series === undefined ? {} : { series }),
    ...(error === undefined ? {} : { error }),
  }
}
