import type { Result } from '../lib/runner.js'
import { stacked } from './draw.js'
import { sectionsOf, type Group } from './sections.js'
import { darkTheme, lightTheme, type Theme } from './theme.js'

/** README's charts are somewhat wider than the page's, as they stand alone. */
const width = 420

interface Picture {
  /** Of the files: `latency-light.svg`, `latency-dark.svg`. */
  name: string
  benchmark: string
  headline: string
  /** Which of the group's panels, by their place; all where it is missing. */
  panels?: number[]
}

const pictures: Picture[] = [
  { name: 'latency', benchmark: 'pause', headline: 'Latency of a get and a set while snapshots run' },
  { name: 'size', benchmark: 'fork', headline: 'How long a snapshot holds the server, by size' },
  {
    name: 'throughput',
    benchmark: 'operations',
    headline: 'Operations a second',
    panels: [0, 1],
  },
  { name: 'commits', benchmark: 'commit', headline: 'Writes a second that are on disk when answered' },
  { name: 'memory', benchmark: 'memory', headline: 'Memory' },
  { name: 'restart', benchmark: 'open', headline: 'Opening a store' },
]

/** The SVG files of docs/figures/, by name: those for which there is something to draw. */
export async function picturesOf(
  results: Map<string, Result>,
  entries: number,
): Promise<Map<string, string>> {
  const groups = sectionsOf(entries).flatMap((section) => section.groups)
  const files = new Map<string, string>()
  for (const picture of pictures) {
    const result = results.get(picture.benchmark)
    const group = groups.find(({ benchmark }) => benchmark === picture.benchmark)
    if (result === undefined || group === undefined || group.rows(result).length === 0) continue
    for (const [mode, theme] of [
      ['light', lightTheme],
      ['dark', darkTheme],
    ] as const) {
      files.set(`${picture.name}-${mode}.svg`, await drawn(picture, group, result, theme))
    }
  }
  return files
}

async function drawn(picture: Picture, group: Group, result: Result, theme: Theme): Promise<string> {
  const all = await group.panels(result, theme, width)
  const panels = picture.panels === undefined ? all : picture.panels.flatMap((place) => all[place] ?? [])
  const [first] = group.rows(result)
  const size = first?.entries === undefined ? '' : `${first.entries.toLocaleString('en')} records. `
  return stacked(panels, picture.headline, `${size}${group.better}`, theme)
}
