import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Benchmark, DataKind, Options } from './lib/benchmark.js'
import { pageOf } from './lib/page.js'
import { tableOf } from './lib/report.js'
import { figuresFolder, load, merged, resultsFolder, save, saveFigures } from './lib/results.js'
import { run } from './lib/runner.js'
import { htmlOf } from './report/html.js'
import { picturesOf } from './report/pictures.js'
import { usualEntries } from './report/rows.js'
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
  'pages',
  'pause',
  'request',
  'log',
  'commit',
  'commit-saving',
  'replay',
  'open',
  'image',
  'spawn',
  'fork',
  'hundred',
  'peak',
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

/** The page of charts and figures: what was run here, and what is published of everything else. */
async function writeReport(entries: number): Promise<void> {
  mkdirSync(resultsFolder, { recursive: true })
  writeFileSync(`${resultsFolder}report.html`, await htmlOf(merged(names), entries))
  console.log(`wrote ${resultsFolder}report.html`)
}

const program = new Command('bench')
  .description('Measures forkstore beside its peers, each case in processes of its own.')
  .showHelpAfterError()

program
  .command('run', { isDefault: true })
  .description('run benchmarks (all of them by default), print tables, write bench/results/')
  .addArgument(new Argument('[names...]').choices(names).default([], 'all'))
  .option('--entries <counts>', 'sizes in records, separated by commas', numbers)
  .option('--mebibytes <sizes>', 'sizes in MiB, for fork and spawn', numbers)
  .option('--data <kinds>', 'records, objects or both, separated by commas, for request', kinds)
  .option('--contenders <names>', 'only these, separated by commas', (text) => text.split(','))
  .option('--rounds <count>', 'rounds of each case', one)
  .option('--directory <path>', 'where data is written, in a folder that is removed afterwards', tmpdir())
  .addOption(
    new Option('--engine <name>', 'of forkstore').choices(['native', 'js', 'auto']).default('native'),
  )
  .option(
    '--report',
    'then write bench/results/report.html; without names, nothing is run, and the page shows the last results',
  )
  .action(async (named: string[], options: Options & { report?: true }) => {
    const entries = options.entries?.[0] ?? usualEntries
    if (options.report && named.length === 0) return writeReport(entries)
    const chosen = named.length === 0 ? names : named
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
    if (options.report) await writeReport(entries)
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
  .command('report')
  .description(
    'write bench/results/report.html: charts and tables of the last results, and of what is published',
  )
  .option('--entries <count>', 'size that the charts show', one, usualEntries)
  .action(({ entries }: { entries: number }) => writeReport(entries))

program
  .command('publish')
  .description('write the last results to docs/figures/, beside those published of what was not run')
  .option('--entries <count>', 'size that the charts show', one, usualEntries)
  .action(async ({ entries }: { entries: number }) => {
    const results = merged(names)
    saveFigures(results, entries)
    writeFileSync(`${figuresFolder}figures.md`, pageOf(results))
    for (const [name, svg] of await picturesOf(results, entries)) {
      writeFileSync(`${figuresFolder}${name}`, svg)
    }
    console.log(`wrote ${figuresFolder}`)
  })

await program.parseAsync()
