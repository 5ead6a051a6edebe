import type { Result, Row } from '../lib/runner.js'
import type { Series } from '../lib/series.js'
import { contenderOf } from './contenders.js'
import { draw, fontSize, type Panel } from './draw.js'
import { rowsOf, valueText } from './rows.js'
import type { Theme } from './theme.js'

/** A latency at a time, both in milliseconds. */
type Point = [atMs: number, latencyMs: number]

interface Course {
  longest: Point[]
  p99: Point[]
  snapshots: Series['snapshots']
  longestMs: number
}

/** Vega leaves out what is not above 0 on a log scale; nothing measured is below this. */
const leastMs = 0.001

/** More points than this are not seen at these widths. */
const mostPoints = 300

const height = 152
const margin = { top: 30, right: 14, bottom: 38, left: 52 }

/** Latency over time, a panel for each contender, all with the same axes. */
export function latencyPanels(
  result: Result,
  entries: number,
  theme: Theme,
  width: number,
): Promise<Panel[]> {
  const rows = latencyRows(result, entries)
  const courses = rows.map((row) => courseOf(row.series!))
  const all = courses.flatMap(({ longest, p99 }) => [...longest, ...p99])
  const decade = (ms: number, round: (exponent: number) => number): number => 10 ** round(Math.log10(ms))
  const latencies = all.map(([, latencyMs]) => latencyMs)
  const axes = {
    fromMs: decade(Math.min(...latencies), Math.floor),
    toMs: decade(Math.max(...latencies), Math.ceil),
    seconds: Math.max(...all.map(([atMs]) => atMs)) / 1000,
  }
  return Promise.all(rows.map((row, index) => drawCourse(row, courses[index]!, axes, theme, width)))
}

export function latencyRows(result: Result, entries: number): Row[] {
  return rowsOf(result, entries, ({ series }) => series !== undefined && pointsOf(series).length > 0)
}

/** How wide a step of the lines is. */
export function stepMs(result: Result, entries: number): number {
  const [row] = latencyRows(result, entries)
  const [first, second] = row === undefined ? [] : courseOf(row.series!).longest
  return first === undefined || second === undefined ? 0 : Math.round(second[0] - first[0])
}

function pointsOf(series: NonNullable<Row['series']>): unknown[] {
  return Array.isArray(series) ? series : series.points
}

function courseOf(series: NonNullable<Row['series']>): Course {
  const plain = Array.isArray(series)
  const longest = plain ? series : series.points.map(([atMs, , maxMs]): Point => [atMs, maxMs])
  return {
    longest: thinned(longest),
    p99: plain ? [] : thinned(series.points.map(([atMs, p99Ms]): Point => [atMs, p99Ms])),
    snapshots: plain ? [] : series.snapshots,
    longestMs: Math.max(...longest.map(([, latencyMs]) => latencyMs)),
  }
}

/** Of neighbours the longest: nothing that was slow disappears. */
function thinned(points: Point[]): Point[] {
  const each = Math.ceil(points.length / mostPoints)
  const kept: Point[] = []
  for (let from = 0; from < points.length; from += each) {
    const longest = Math.max(...points.slice(from, from + each).map(([, latencyMs]) => latencyMs))
    kept.push([points[from]![0], Math.max(leastMs, longest)])
  }
  return kept
}

function drawCourse(
  row: Row,
  { longest, p99, snapshots, longestMs }: Course,
  axes: { fromMs: number; toMs: number; seconds: number },
  theme: Theme,
  width: number,
): Promise<Panel> {
  const { name } = contenderOf(row.contender)
  const color = theme.of(row.contender)
  const values = (points: Point[]) => points.map(([atMs, ms]) => ({ seconds: atMs / 1000, ms }))
  const x = {
    field: 'seconds',
    type: 'quantitative' as const,
    title: 'seconds',
    scale: { domain: [0, axes.seconds], nice: false },
    axis: { grid: false, tickCount: 6 },
  }
  const y = {
    field: 'ms',
    type: 'quantitative' as const,
    title: null,
    scale: { type: 'log' as const, domain: [axes.fromMs, axes.toMs], nice: false },
    axis: { values: decades(axes.fromMs, axes.toMs), labelExpr: timeLabel, ticks: false, domain: false },
  }
  const line = (points: Point[], strokeWidth: number, opacity: number) => ({
    data: { values: values(points) },
    mark: { type: 'line' as const, interpolate: 'step-after' as const, color, strokeWidth, opacity },
    encoding: { x, y },
  })
  const bands = {
    data: { values: snapshots.map((one) => ({ from: one.startMs / 1000, to: one.endMs / 1000 })) },
    mark: { type: 'rect' as const, color: theme.band },
    encoding: { x: { ...x, field: 'from' }, x2: { field: 'to' } },
  }
  const longestText = `longest ${valueText('Ms', longestMs)}`
  const lines = p99.length === 0 ? [line(longest, 1.2, 1)] : [line(longest, 1, 0.55), line(p99, 1.8, 1)]
  return draw(
    { layer: [...(snapshots.length === 0 ? [] : [bands]), ...lines] },
    {
      label: `Latency over time, ${name}: ${longestText}.`,
      title: `${name}: ${longestText}`,
      theme,
      width,
      height,
      margin,
    },
  )
}

/** `10 us`, `1 ms`, `10 s`. */
const timeLabel =
  "datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : datum.value >= 1 ? format(datum.value, '~g') + ' ms' : format(datum.value * 1000, '~g') + ' us'"

/** Every one of them where there is room, else every second. */
export function decades(from: number, to: number): number[] {
  const [least, most] = [Math.round(Math.log10(from)), Math.round(Math.log10(to))]
  const step = ((most - least) * fontSize * 1.6) / (height - margin.top - margin.bottom) > 1 ? 2 : 1
  const values: number[] = []
  for (let exponent = most; exponent >= least; exponent -= step) values.push(Number(`1e${exponent}`))
  return values
}
