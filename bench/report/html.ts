import { judge, linesOfVerdicts } from '../verdict.js'
import { linesOf } from '../lib/report.js'
import type { Result } from '../lib/runner.js'
import { phoneWidth, wideWidth, type Panel } from './draw.js'
import { escaped } from './escape.js'
import { sectionsOf, titleWithSize, type Group, type Section } from './sections.js'
import { style } from './style.js'
import { pageTheme } from './theme.js'

/** One page that refers to nothing: charts, figures, machine, versions and dates. */
export async function htmlOf(results: Map<string, Result>, entries: number): Promise<string> {
  const sections = sectionsOf(entries)
  const contents = [
    ...sections,
    { id: 'targets', title: 'Against the targets' },
    { id: 'figures', title: 'All figures' },
  ]
  const body = [
    '<header><h1>forkstore: benchmarks</h1>',
    '<p>Bars are medians of the rounds; the line over a bar reaches from the lowest round to the highest. Every figure comes from',
    'one run beside what it is compared with; dates and machines are below each chart.</p>',
    `<nav aria-label="Contents"><ul>${contents.map(({ id, title }) => `<li><a href="#${id}">${escaped(title)}</a></li>`).join('')}</ul></nav></header><main>`,
    ...(await Promise.all(sections.map((section) => sectionOf(section, results)))),
    `<section id="targets"><h2>Against the targets</h2>${tableOf(linesOfVerdicts(judge(results)), 'Targets')}</section>`,
    `<section id="figures"><h2>All figures</h2><p>Medians of the rounds, the lowest and the highest in brackets.</p>`,
    ...(results.size === 0
      ? ['<p class="missing">Nothing is measured yet: <code>npm run bench</code>.</p>']
      : []),
    ...[...results.values()].map(figuresOf),
    '</section></main>',
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>forkstore: benchmarks</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
${body.join('\n')}
</body>
</html>
`
}

async function sectionOf({ id, title, groups }: Section, results: Map<string, Result>): Promise<string> {
  const parts = await Promise.all(groups.map((group) => groupOf(group, results.get(group.benchmark))))
  return `<section id="${id}"><h2>${escaped(title)}</h2>${parts.join('\n')}</section>`
}

async function groupOf(group: Group, result: Result | undefined): Promise<string> {
  const rows = result === undefined ? [] : group.rows(result)
  const head = `<h3>${escaped(titleWithSize(group.title, rows))}</h3>`
  if (result === undefined || rows.length === 0) {
    return `<div class="group">${head}<p class="missing">Nothing to draw yet: <code>npm run bench -- ${group.benchmark}</code> measures it.</p></div>`
  }
  const note = `<p>${group.note === undefined ? '' : `${escaped(group.note(result))} `}<strong>${escaped(group.better)}</strong></p>`
  const drawn = (width: number): Promise<Panel[]> => group.panels(result, pageTheme, width)
  const figures = group.wide
    ? [
        ...panelsIn('panel narrow', await drawn(phoneWidth)),
        ...panelsIn('panel wide', await drawn(wideWidth)),
      ]
    : panelsIn('panel', await drawn(phoneWidth))
  return `<div class="group">${head}${note}<div class="panels">${figures.join('\n')}</div>${originOf(result)}</div>`
}

function panelsIn(name: string, panels: Panel[]): string[] {
  return panels.map(({ svg }) => `<div class="${name}">${svg}</div>`)
}

function figuresOf(result: Result): string {
  const name = escaped(result.benchmark)
  return `<div class="group"><h3>${name}</h3><p>${escaped(capital(result.title))}.</p>${tableOf(linesOf(result), result.benchmark)}${originOf(result)}</div>`
}

/** When, where and with what. */
export function originOf({ date, environment }: Result): string {
  const { node, v8, platform, kernel, cores, memoryGiB, fileSystem, ...versions } = environment
  const parts = [
    date.slice(0, 10),
    ...Object.entries(versions).map(([name, version]) => `${name} ${version}`),
    `Node ${node}`,
    ...(v8 === undefined ? [] : [`V8 ${v8}`]),
    platform,
    `kernel ${kernel}`,
    `${cores} cores`,
    `${memoryGiB} GiB`,
    ...(fileSystem === undefined ? [] : [`data on ${fileSystem}`]),
  ]
  return `<p class="origin">${parts.map((part) => escaped(String(part))).join(' · ')}</p>`
}

/** In a box of its own, which alone scrolls sideways; the keyboard reaches it. */
function tableOf([head = [], ...body]: string[][], label: string): string {
  const row = (cells: string[], first: string, rest: string): string =>
    `<tr>${cells.map((cell, column) => (column === 0 ? `<th scope="${first}">${escaped(cell)}</th>` : `<${rest}>${escaped(cell)}</${rest.split(' ')[0]}>`)).join('')}</tr>`
  return `<div class="table" role="region" tabindex="0" aria-label="${escaped(label)}: figures"><table><thead>${row(head, 'col', 'th scope="col"')}</thead><tbody>${body.map((cells) => row(cells, 'row', 'td')).join('\n')}</tbody></table></div>`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
