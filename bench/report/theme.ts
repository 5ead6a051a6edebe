import { allContenders, contenderOf, propertyOf } from './contenders.js'

/** The colours of a chart. */
export interface Theme {
  background: string
  text: string
  muted: string
  grid: string
  band: string
  of: (contender: string) => string
}

type Colors = Omit<Theme, 'of'>

const light: Colors = {
  background: '#ffffff',
  text: '#1f2328',
  muted: '#57606a',
  grid: '#d8dee4',
  band: '#eaeef2',
}

const dark: Colors = {
  background: '#0d1117',
  text: '#e6edf3',
  muted: '#9198a1',
  grid: '#2b323b',
  band: '#232a33',
}

/** For a picture of its own: README has one for each. */
export const lightTheme: Theme = { ...light, of: (contender) => contenderOf(contender).light }
export const darkTheme: Theme = { ...dark, of: (contender) => contenderOf(contender).dark }

/** For a chart inside of a page: the page's custom properties, which follow the reader's preference. */
export const pageTheme: Theme = {
  background: 'var(--background)',
  text: 'var(--text)',
  muted: 'var(--muted)',
  grid: 'var(--grid)',
  band: 'var(--band)',
  of: (contender) => `var(${propertyOf(contender)})`,
}

/** What `pageTheme` refers to. */
export const pageColors = `
:root { color-scheme: light dark; ${properties('light', light)} }
@media (prefers-color-scheme: dark) { :root { ${properties('dark', dark)} } }`

function properties(mode: 'light' | 'dark', colors: Colors): string {
  return [
    ...Object.entries(colors).map(([name, color]) => `--${name}: ${color};`),
    `--other: ${contenderOf('')[mode]};`,
    ...allContenders.map(([key, contender]) => `${propertyOf(key)}: ${contender[mode]};`),
  ].join(' ')
}
