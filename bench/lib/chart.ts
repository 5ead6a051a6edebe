import { compile, type TopLevelSpec } from 'vega-lite'
import { parse, View } from 'vega'
import type { Result } from './runner.js'

const colors = { 'map-json': '#c0392b', 'map-v8': '#e08e0b', forkstore: '#1f77b4' } as const
const names = { 'map-json': 'Map + JSON', 'map-v8': 'Map + v8.serialize', forkstore: 'forkstore' } as const

/** Vega leaves out what is not above 0 on a log scale; nothing measured is below this. */
const leastMs = 0.001

/** Latency of the probe over time, one line for each contender, on a log scale. */
export async function pauseChart(result: Result, entries: number): Promise<string> {
  const values = result.rows
    .filter((row) => row.entries === entries)
    .flatMap((row) =>
      (row.series?.points ?? []).map(([timeMs, , latencyMs]) => ({
        contender: names[row.contender as keyof typeof names],
        seconds: timeMs / 1000,
        latencyMs: Math.max(leastMs, latencyMs),
      })),
    )
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: `Longest request in each 10 ms, ${entries.toLocaleString('en')} records, snapshots running`,
    width: 760,
    height: 320,
    background: 'white',
    data: { values },
    mark: { type: 'line', strokeWidth: 1, interpolate: 'step-after' },
    encoding: {
      x: { field: 'seconds', type: 'quantitative', title: 'seconds', axis: { grid: false } },
      y: {
        field: 'latencyMs',
        type: 'quantitative',
        title: 'latency in ms (log scale)',
        scale: { type: 'log' },
        axis: { format: '~g', values: [0.001, 0.01, 0.1, 1, 10, 100, 1000, 10_000] },
      },
      color: {
        field: 'contender',
        type: 'nominal',
        title: null,
        scale: { domain: Object.values(names), range: Object.values(colors) },
        legend: { orient: 'top' },
      },
    },
  }
  return new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG()
}
