import type { Engine } from './forkstore.js'
import type { PlainSeries, Series } from './series.js'

/** Many small records, or few objects of many members. */
export type DataKind = 'records' | 'objects'

/** What the command line said. */
export interface Options {
  /** Which engine forkstore runs with. */
  engine: Engine
  /** Sizes in records, in place of the benchmark's own. */
  entries?: number[]
  /** Sizes in MiB, in place of the benchmark's own (`fork`, `spawn`). */
  mebibytes?: number[]
  /** Which data, in place of all kinds (`request`). */
  data?: DataKind[]
  /** Contenders, in place of all. */
  contenders?: string[]
  /** Rounds of each case, in place of the benchmark's own. */
  rounds?: number
  /** Where data is written; a temporary folder is made inside. */
  directory: string
}

/** One contender at one size: what one process measures. */
export interface Case {
  contender: string
  /** Records. */
  entries?: number
  /** MiB of data. */
  mebibytes?: number
  /** The data is so many large objects, of `entries` members each. */
  objects?: number
}

/** Of one round: figures, whose names end in their unit (`Ms`, `Us`, `Ns`, `Bytes`, `MBps`, `Count`). */
export type Metrics = Record<string, number>

export interface Sample {
  metrics: Metrics
  series?: Series | PlainSeries
}

/** One question and how it is answered. Each file of the benchmarks exports one as `benchmark`. */
export interface Benchmark {
  name: string
  /** One sentence for the head of the table. */
  title: string
  cases(options: Options): Case[]
  /** How many rounds a case is worth by default; the big sizes get fewer. */
  rounds(one: Case): number
  /** Metrics that are maxima: over the rounds the highest counts, not the median. */
  maxima?: readonly string[]
  /** A contender: the table has a line for each figure, and the ratio of forkstore's to this one's. */
  against?: string
}

/** Runs in a process of its own. Each file of the benchmarks exports one as `measure`. */
export type Measure = (one: Case, options: Options) => Promise<Sample>

/** Every contender at every size, those of a size together, so that what drifts drifts for all. */
export function cross(contenders: string[], sizes: number[], options: Options): Case[] {
  const chosen = contenders.filter((name) => options.contenders?.includes(name) ?? true)
  return (options.entries ?? sizes).flatMap((entries) => chosen.map((contender) => ({ contender, entries })))
}
