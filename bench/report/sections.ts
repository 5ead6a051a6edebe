import type { Result, Row } from '../lib/runner.js'
import { barPanel, barsOf, perSecond, type Bar } from './bars.js'
import type { Panel } from './draw.js'
import { latencyPanels, latencyRows, stepMs } from './latency.js'
import { has, rowsOf } from './rows.js'
import { sizePanel, sizeRows } from './sizes.js'
import type { Theme } from './theme.js'

/** Charts of one benchmark. */
export interface Group {
  benchmark: string
  /** What is shown. */
  title: string
  /** Whether less or more is better. */
  better: string
  note?: (result: Result) => string
  /** What is drawn; none where it was not measured. */
  rows: (result: Result) => Row[]
  panels: (result: Result, theme: Theme, width: number) => Promise<Panel[]>
  /** A chart that deserves more room than a phone has is drawn once more where there is more. */
  wide?: true
}

export interface Section {
  id: string
  title: string
  groups: Group[]
}

const lower = 'Lower is better.'
const higher = 'Higher is better.'

/** All of the page's charts; README shows some of them. `entries` is the size, in records, where there are more. */
export function sectionsOf(entries: number): Section[] {
  return [
    {
      id: 'latency',
      title: 'Latency over time, across snapshots',
      groups: [pause(entries), request(entries)],
    },
    { id: 'size', title: 'Pause against the size of the store', groups: [size()] },
    { id: 'throughput', title: 'Throughput', groups: [operations(entries), commits(entries)] },
    { id: 'memory', title: 'Memory', groups: [memory(entries)] },
    { id: 'restart', title: 'Restart', groups: [opening(entries), replay(entries)] },
  ]
}

/** `title`, and how many records there were. */
export function titleWithSize(title: string, [first]: Row[]): string {
  return first?.entries === undefined ? title : `${title}, ${first.entries.toLocaleString('en')} records`
}

function pause(entries: number): Group {
  return {
    benchmark: 'pause',
    title: 'In the process: a get and a set each millisecond',
    better: lower,
    note: (one) =>
      `The longest latency in each ${stepMs(one, entries)} ms; snapshots begin after 1 second and in the second half.`,
    rows: (one) => latencyRows(one, entries),
    panels: (one, theme, width) => latencyPanels(one, entries, theme, width),
  }
}

function request(entries: number): Group {
  return {
    benchmark: 'request',
    title: 'Over HTTP: one request each millisecond',
    better: lower,
    note: () => 'Thick: the 99th percentile; thin: the longest. Grey: while a snapshot is made.',
    rows: (one) => latencyRows(one, entries),
    panels: (one, theme, width) => latencyPanels(one, entries, theme, width),
  }
}

function size(): Group {
  return {
    benchmark: 'fork',
    title: 'How long a snapshot holds the server',
    better: lower,
    note: () =>
      'Of forkstore, all that holds the event loop; of Redis, its fork alone: that is what it tells.',
    rows: sizeRows,
    panels: async (one, theme, width) => [await sizePanel(one, theme, width)],
    wide: true,
  }
}

const operationNames = ['get', 'overwrite', 'insert', 'delete', 'has', 'iterate']

function operations(entries: number): Group {
  const metrics = operationNames.map((name) => `${name}Ns`)
  const rows = (one: Result): Row[] =>
    rowsOf(one, entries, has(...metrics)).filter((row) => row.contender !== 'nothing')
  return {
    benchmark: 'operations',
    title: 'Operations a second, one at a time, records at random places',
    better: higher,
    note: () => 'Each makes its key, and its record where it writes: the same work for all.',
    rows,
    panels: (one, theme, width) =>
      drawn(
        operationNames.map((name) => ({
          title: name,
          axis: 'operations a second',
          metric: 'PerSecond',
          bars: barsOf(rows(one), `${name}Ns`).map((bar) => ({ ...bar, figure: perSecond(bar.figure) })),
        })),
        theme,
        width,
      ),
  }
}

function commits(entries: number): Group {
  return {
    benchmark: 'commit',
    title: 'Writes a second that are on disk when they are answered',
    better: higher,
    note: () => '64 writers at once, each with one write at a time.',
    ...bars(entries, [{ title: 'durable writes', axis: 'writes a second', metric: 'commitsPerSecond' }]),
  }
}

function memory(entries: number): Group {
  return {
    benchmark: 'memory',
    title: 'Memory of a record, and what it costs the garbage collector',
    better: lower,
    ...bars(entries, [
      { title: 'resident memory of a record', axis: 'bytes', metric: 'residentPerRecordBytes' },
      { title: 'a full collection, all data in place', axis: 'milliseconds', metric: 'collectionMs' },
    ]),
  }
}

function opening(entries: number): Group {
  return {
    benchmark: 'open',
    title: 'From a snapshot to the first records, in a new process',
    better: lower,
    note: () => 'JSON.parse alone: without reading the file, and without filling a Map.',
    ...bars(entries, [{ title: 'opening', axis: 'milliseconds', metric: 'openMs' }]),
  }
}

/** A second is as many operations for the log as for who wrote it; so the bars are of one contender. */
function replay(entries: number): Group {
  const rows = (one: Result): Row[] => rowsOf(one, entries, has('replayPerSecond'))
  const names = [
    ['replayPerSecond', 'replay, at opening'],
    ['setPerSecond', 'set, no log'],
    ['loggedSetPerSecond', 'set, with the log'],
  ] as const
  return {
    benchmark: 'replay',
    title: 'From the log alone, beside the live writes that made it',
    better: 'Of the operations a second, higher is better; of the time, lower.',
    rows,
    panels: (one, theme, width) =>
      drawn(
        [
          {
            title: 'operations a second',
            axis: 'operations a second',
            metric: 'PerSecond',
            bars: names.flatMap(([metric, name]) =>
              barsOf(rows(one), metric).map((bar) => ({ ...bar, name })),
            ),
          },
          {
            title: 'opening: two operations for each record',
            axis: 'milliseconds',
            metric: 'openMs',
            bars: barsOf(rows(one), 'openMs'),
          },
        ],
        theme,
        width,
      ),
  }
}

interface BarChart {
  title: string
  axis: string
  metric: string
}

/** Charts of metrics as they are. */
function bars(entries: number, charts: BarChart[]): Pick<Group, 'rows' | 'panels'> {
  const rows = (one: Result): Row[] => rowsOf(one, entries, has(...charts.map(({ metric }) => metric)))
  return {
    rows,
    panels: (one, theme, width) =>
      drawn(
        charts.map((chart) => ({ ...chart, bars: barsOf(rows(one), chart.metric) })),
        theme,
        width,
      ),
  }
}

function drawn(charts: (BarChart & { bars: Bar[] })[], theme: Theme, width: number): Promise<Panel[]> {
  return Promise.all(
    charts
      .filter((chart) => chart.bars.length > 0)
      .map(({ bars: values, ...chart }) => barPanel(values, { ...chart, theme, width })),
  )
}
