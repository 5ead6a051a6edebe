import { judge, linesOfVerdicts } from '../verdict.js'
import { linesOf } from './report.js'
import type { Result } from './runner.js'

/** The page docs/figures/figures.md: what docs/performance.md explains. */
export function pageOf(results: Map<string, Result>): string {
  const [first] = results.values()
  if (first === undefined) throw new Error('nothing was measured yet: run the benchmarks first')
  const { node, kernel, cores, memoryGiB, platform, fileSystem } = first.environment
  const parts = [
    '# Figures',
    `Written by \`npm run bench -- publish\`; what each means is in [performance](../performance.md). Medians
of the rounds, and the lowest and highest in brackets. Node ${node}, ${platform}, kernel ${kernel},
${cores} cores, ${memoryGiB} GiB${fileSystem === undefined ? '' : `, data on ${fileSystem}`}.`,
    '## Against the targets',
    tableOf(linesOfVerdicts(judge(results))),
    ...[...results.values()].flatMap((result) => [
      `## ${result.benchmark}`,
      `${capital(result.title)}. Measured on ${result.date.slice(0, 10)}.`,
      tableOf(linesOf(result)),
    ]),
  ]
  return `${parts.join('\n\n')}\n`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function tableOf(lines: string[][]): string {
  const [head = [], ...body] = lines
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
