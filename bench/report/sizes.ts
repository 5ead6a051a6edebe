import type { Result, Row } from '../lib/runner.js'
import { contenderOf, inOrder } from './contenders.js'
import { draw, fontSize, letterWidth, type Panel } from './draw.js'
import { has, valueText } from './rows.js'
import type { Theme } from './theme.js'

const height = 290
const margin = { top: 30, right: 112, bottom: 42, left: 50 }

/** Redis tells the time of its fork, and nothing else; forkstore the whole of what holds the event loop. */
function pauseOf({ figures }: Row): number | undefined {
  return (figures['pauseMs'] ?? figures['forkMs'])?.median
}

export function sizeRows(result: Result): Row[] {
  return inOrder(result.rows.filter(has('pauseMs', 'forkMs')).filter((row) => row.mebibytes !== undefined))
}

const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'cross']
const dashes = [
  [1, 0],
  [6, 3],
  [2, 3],
  [8, 3, 2, 3],
  [4, 2],
]

/** How long a server is held by a snapshot of a store of each size, both axes logarithmic. */
export function sizePanel(result: Result, theme: Theme, width: number): Promise<Panel> {
  const rows = sizeRows(result)
  const contenders = [...new Set(rows.map((row) => row.contender))]
  const values = rows.map((row) => ({ ...row, mebibytes: row.mebibytes!, ms: pauseOf(row)! }))
  const sizes = [...new Set(values.map((value) => value.mebibytes))].sort((a, b) => a - b)
  const times = values.map(({ ms }) => ms)
  const ticks = ticksOf(Math.min(...times), Math.max(...times))
  const domain = [ticks[0]!, ticks.at(-1)!] as const
  const x = {
    field: 'mebibytes',
    type: 'quantitative' as const,
    title: 'MiB of data',
    scale: { type: 'log' as const, base: 2, domain: [sizes[0]! / 1.3, sizes.at(-1)! * 1.15], nice: false },
    axis: {
      values: sizes,
      format: ',',
      labelOverlap: false,
      grid: false,
    },
  }
  const y = {
    field: 'ms',
    type: 'quantitative' as const,
    title: null,
    scale: { type: 'log' as const, domain: [...domain], nice: false },
    axis: { values: ticks, labelExpr: "format(datum.value, '~g') + ' ms'", ticks: false, domain: false },
  }
  const lines = contenders.map((contender, index) => ({
    data: { values: values.filter((value) => value.contender === contender) },
    mark: {
      type: 'line' as const,
      color: theme.of(contender),
      strokeWidth: 2,
      strokeDash: dashes[index % dashes.length]!,
      point: { shape: shapes[index % shapes.length]!, size: 55, color: theme.of(contender), filled: true },
    },
    encoding: { x, y },
  }))
  const ends = contenders.map((contender) => values.findLast((value) => value.contender === contender)!)
  const plot = height - margin.top - margin.bottom
  const perPixel = Math.log10(domain[1] / domain[0]) / plot
  const labels = apart(
    ends.map(({ ms }) => Math.log10(ms)),
    perPixel * fontSize * 2.5,
  )
  const names = {
    data: {
      values: ends.map((end, index) => ({
        mebibytes: sizes.at(-1)!,
        ms: 10 ** labels[index]!,
        text: [contenderOf(end.contender).name, valueText('Ms', end.ms)],
      })),
    },
    mark: { type: 'text' as const, align: 'left' as const, baseline: 'middle' as const, dx: 14, dy: -5 },
    encoding: { x, y, text: { field: 'text' } },
  }
  const said = ends.map(
    (end) =>
      `${contenderOf(end.contender).name} ${valueText('Ms', end.ms)} at ${end.mebibytes.toLocaleString('en')} MiB`,
  )
  return draw(
    { layer: [...lines, names] },
    {
      label: `Pause of a snapshot against the size of the data: ${said.join(', ')}.`,
      title: 'milliseconds (both axes are logarithmic)',
      theme,
      width,
      height,
      margin: { ...margin, right: Math.max(...ends.map(widthOfName)) + 20 },
    },
  )
}

function widthOfName({ contender }: Row): number {
  return Math.max(60, contenderOf(contender).name.length * letterWidth)
}

/** 1, 2, 5, 10, 20, ... around the values; of many decades only 1, 10, 100, ... */
export function ticksOf(least: number, most: number): number[] {
  const decades = Math.log10(most / least)
  const steps = decades > 2.5 ? [1] : [1, 2, 5]
  const all: number[] = []
  for (let exponent = -4; exponent <= 6; exponent++)
    for (const step of steps) all.push(Number(`${step}e${exponent}`))
  const from = all.findLastIndex((tick) => tick <= least)
  const to = all.findIndex((tick) => tick >= most)
  return all.slice(Math.max(0, from), to === -1 ? undefined : to + (to === from ? 2 : 1))
}

/** The same values, moved as little as keeps each at least `distance` from the next. */
export function apart(values: number[], distance: number): number[] {
  const order = values.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value)
  for (let pass = 0; pass < 100; pass++) {
    for (let i = 1; i < order.length; i++) {
      const [below, above] = [order[i - 1]!, order[i]!]
      const missing = distance - (above.value - below.value)
      if (missing <= 0) continue
      below.value -= missing / 2
      above.value += missing / 2
    }
  }
  const moved = [...values]
  for (const { value, index } of order) moved[index] = value
  return moved
}
