import type { Row } from '../lib/runner.js'
import type { Figure } from '../lib/statistics.js'
import { contenderOf } from './contenders.js'
import { draw, fontSize, letterWidth, type Panel } from './draw.js'
import { valueText } from './rows.js'
import type { Theme } from './theme.js'

export interface Bar {
  /** Whose colour it has. */
  contender: string
  name: string
  figure: Figure
}

export interface BarsOptions {
  title: string
  /** Of the axis, with the unit. */
  axis: string
  /** How values are written: a metric's name, which ends in the unit. */
  metric: string
  theme: Theme
  width: number
}

const barHeight = 24

/** One bar for each contender that has this figure, and a line from the lowest to the highest round. */
export function barsOf(rows: Row[], metric: string): Bar[] {
  return rows.flatMap(({ contender, figures }) => {
    const figure = figures[metric]
    return figure === undefined ? [] : [{ contender, name: contenderOf(contender).name, figure }]
  })
}

/** Nanoseconds of an operation, as how many fit into a second. */
export function perSecond({ median, low, high }: Figure): Figure {
  return { median: 1e9 / median, low: 1e9 / high, high: 1e9 / low }
}

export function barPanel(bars: Bar[], { title, axis, metric, theme, width }: BarsOptions): Promise<Panel> {
  const values = bars.map(({ contender, name, figure }) => ({
    name,
    ...figure,
    color: theme.of(contender),
    text: valueText(metric, figure.median),
  }))
  const longest = (texts: string[]): number => Math.max(...texts.map((text) => text.length)) * letterWidth
  const margin = {
    top: 28,
    right: longest(values.map(({ text }) => text)) + 12,
    bottom: 40,
    left: longest(values.map(({ name }) => name)) + 16,
  }
  // 500k and 1.5M, or 1,500: digits with a unit of its own, milliseconds, are not shortened.
  const numbers = metric.endsWith('PerSecond') ? '~s' : ','
  const most = Math.max(...values.map(({ high }) => high))
  const x = {
    type: 'quantitative' as const,
    title: axis,
    scale: { domain: [0, most], nice: false },
    axis: {
      tickCount: 3,
      labelExpr: `format(datum.value, '${numbers}')`,
      domain: false,
      ticks: false,
      labelOverlap: false,
    },
  }
  const y = {
    field: 'name',
    type: 'nominal' as const,
    title: null,
    sort: null,
    scale: { paddingInner: 0.3, paddingOuter: 0.15 },
    axis: {
      domain: false,
      ticks: false,
      labelColor: theme.text,
      labelFontSize: fontSize,
      labelPadding: 6,
      labelLimit: 0,
    },
  }
  const layer = [
    {
      mark: { type: 'bar' as const },
      encoding: {
        y,
        x: { ...x, field: 'median' },
        color: { field: 'color', type: 'nominal' as const, scale: null },
      },
    },
    {
      mark: { type: 'rule' as const, color: theme.text, strokeWidth: 1.5 },
      encoding: { y, x: { ...x, field: 'low' }, x2: { field: 'high' } },
    },
    {
      mark: { type: 'text' as const, align: 'left' as const, dx: 5 },
      encoding: { y, x: { ...x, field: 'high' }, text: { field: 'text' } },
    },
  ]
  const said = values.map(({ name, text }) => `${name} ${text}`).join(', ')
  return draw(
    { data: { values }, layer },
    {
      label: `${title}: ${said}.`,
      title,
      theme,
      width,
      height: margin.top + margin.bottom + barHeight * bars.length,
      margin,
    },
  )
}
