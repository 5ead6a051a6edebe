import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Benchmark, DataKind, Options } from './lib/benchmark.js'
import { pauseChart } from './lib/chart.js'
import { pageOf } from './lib/page.js'
import { tableOf } from './lib/report.js'
import { figuresFolder, load, merged, save, saveFigures } from './lib/results.js'
import { run } from './lib/runner.js'
import { judge, tableOfVerdicts } from './verdict.js'

/** In this order: the quiet ones first, the big ones last. */
const names = [
  'operations',
  'operations-regimes',
  'tree',
  'transaction',
  'array',
  'memory',
  'emptying',
  'growth',
  'pause',
  'request',
  'log',
  'commit',
  'replay',
  'open',
  'image',
  'spawn',
  'fork',
]

function numbers(text: string): number[] {
  const values = text.split(',').map((part) => Number(part.replaceAll('_', '')))
  if (values.some((value) => !Number.isInteger(value) || value < 1))
    throw new InvalidArgumentError('whole numbers above 0')
  return values
}

function kinds(text: string): DataKind[] {
  const chosen = text.split(',')
  if (chosen.some((kind) => kind !== 'records' && kind !== 'objects'))
    throw new InvalidArgumentError('records, objects')
  return chosen as DataKind[]
}

function one(text: string): number {
  return numbers(text)[0]!
}

const program = new Command('bench')
  .description('Measures forkstore beside its peers, each case in processes of its own.')
  .showHelpAfterError()

program
  .command('run', { isDefault: true })
  .description('run benchmarks (all of them by default), print tables, write bench/results/')
  .addArgument(new Argument('[names...]').choices(names).default(names, 'all'))
  .option('--entries <counts>', 'sizes in records, separated by commas', numbers)
  .option('--mebibytes <sizes>', 'sizes in MiB, for fork and spawn', numbers)
  .option('--data <kinds>', 'records, objects or both, separated by commas, for request', kinds)
  .option('--contenders <names>', 'only these, separated by commas', (text) => text.split(','))
  .option('--rounds <count>', 'rounds of each case', one)
  .option('--directory <path>', 'where data is written, in a folder that is removed afterwards', tmpdir())
  .addOption(
    new Option('--engine <name>', 'of forkstore').choices(['native', 'js', 'auto']).default('native'),
  )
  .action(async (chosen: string[], options: Options) => {
    // Interrupted too, what was written goes: it may be gigabytes.
    const directory = mkdtempSync(join(options.directory, 'forkstore-bench-'))
    process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
    for (const name of chosen) {
      const url = new URL(`./${name}.js`, import.meta.url).href
      const { benchmark } = (await import(url)) as { benchmark: Benchmark }
      const result = await run({ benchmark, url }, { ...options, directory })
      save(result)
      console.log(tableOf(result))
    }
    if (chosen.length > 1) console.log(tableOfVerdicts(judge(load(names))))
  })

program
  .command('verdict')
  .description('hold the last results against the targets')
  .action(() => {
    const verdicts = judge(load(names))
    console.log(tableOfVerdicts(verdicts))
    if (verdicts.some((verdict) => verdict.met !== true)) process.exitCode = 1
  })

program
  .command('tables')
  .description('print the last results again')
  .action(() => {
    for (const result of load(names).values()) console.log(tableOf(result))
  })

program
  .command('publish')
  .description('write the last results to docs/figures/, beside those published of what was not run')
  .option('--entries <count>', 'size that the chart shows', one, 1_000_000)
  .action(async ({ entries }: { entries: number }) => {
    const results = merged(names)
    saveFigures(results)
    writeFileSync(`${figuresFolder}figures.md`, pageOf(results))
    const pause = load(['pause']).get('pause') // one that was published has no series
    if (pause !== undefined) writeFileSync(`${figuresFolder}pause.svg`, await pauseChart(pause, entries))
    console.log(`wrote ${figuresFolder}`)
  })

await program.parseAsync()
