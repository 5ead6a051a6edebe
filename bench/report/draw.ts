import { parse, View } from 'vega'
import { compile, type Config, type TopLevelSpec } from 'vega-lite'
import { escaped } from './escape.js'
import type { Theme } from './theme.js'

type Layered = Extract<TopLevelSpec, { layer: unknown[] }>
/** Marks that share axes. */
export type Chart = Pick<Layered, 'layer'> & Partial<Pick<Layered, 'data'>>

/** One chart, as an SVG element. */
export interface Panel {
  svg: string
  width: number
  height: number
}

/** Around the plot, in pixels: room for axes, labels and the title. */
export interface Margin {
  top: number
  right: number
  bottom: number
  left: number
}

export interface PanelOptions {
  /** What is shown, for those who cannot see it. */
  label: string
  title: string
  theme: Theme
  /** Of the whole picture, margins included. */
  width: number
  height: number
  margin: Margin
}

/** A phone's page is 360 wide: with its margins, this is what a chart has, and its text keeps its size. */
export const phoneWidth = 328
/** As the widest page has it. */
export const wideWidth = 640
export const fontSize = 12
/** Of a letter, for how much room a name takes: no fonts are measured here, so a wide one. */
export const letterWidth = 6.7
const font = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif'

/**
 * Sizes are given, not fitted: without a canvas Vega guesses how wide a text is, and guesses too much. So
 * nothing may depend on it.
 */
export async function draw(chart: Chart, options: PanelOptions): Promise<Panel> {
  const { label, title, theme, width, height, margin } = options
  const spec = {
    ...chart,
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, anchor: 'start', frame: 'group', offset: 8, dx: -margin.left + 2 },
    width: width - margin.left - margin.right,
    height: height - margin.top - margin.bottom,
    autosize: 'none',
    padding: margin,
    background: theme.background,
    config: configOf(theme),
  } as TopLevelSpec
  const svg = await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG()
  const short = svg.replaceAll(/ d="[^"]*"/g, (path) =>
    path.replaceAll(/\d+\.\d+/g, (number) => String(Number(Number(number).toFixed(1)))),
  )
  const head = `<svg role="img" aria-label="${escaped(label)}"`
  return { svg: short.replace('<svg', head).replace(/ xmlns:xlink="[^"]*"/, ''), width, height }
}

/** Pictures one below the other in one, under a headline and a line that explains it. */
export function stacked(panels: Panel[], headline: string, note: string, theme: Theme): string {
  const width = Math.max(...panels.map((panel) => panel.width))
  let height = 46
  const placed = panels.map((panel) => {
    const svg = panel.svg
      .replace(/ role="img" aria-label="[^"]*"/, '')
      .replace('<svg', `<svg x="0" y="${height}"`)
    height += panel.height
    return svg
  })
  const text = (y: number, size: number, color: string, words: string): string =>
    `<text x="2" y="${y}" font-family="${escaped(font)}" font-size="${size}" fill="${color}"${size > fontSize ? ' font-weight="600"' : ''}>${escaped(words)}</text>`
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escaped(`${headline}. ${note}`)}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="${width}" height="${height}" fill="${theme.background}"/>
${text(17, 14, theme.text, headline)}
${text(36, fontSize, theme.muted, note)}
${placed.join('\n')}
</svg>
`
}

function configOf(theme: Theme): Config {
  return {
    aria: false,
    font,
    title: { color: theme.text, fontSize, fontWeight: 600 },
    view: { stroke: null },
    axis: {
      labelColor: theme.muted,
      labelFontSize: fontSize - 1,
      titleColor: theme.muted,
      titleFontSize: fontSize - 1,
      titleFontWeight: 400,
      gridColor: theme.grid,
      domainColor: theme.grid,
      tickColor: theme.grid,
      labelOverlap: true,
    },
    text: { color: theme.text, fontSize },
  }
}
