/** Numbers and bars as text. */
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

export function paint(style: Style, text: string): string {
  const plain = !process.stdout.isTTY || (process.env.NO_COLOR ?? '') !== ''
  return plain ? text : styleText(style, text)
}

export function count(number: number): string {
  return number.toLocaleString('en')
}

export function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms >= 1_000) return `${(ms / 1000).toFixed(2)} s`
  return ms >= 100 ? `${ms.toFixed(0)} ms` : ms >= 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(2)} ms`
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

/** `share` between 0 and 1. */
export function bar(share: number, width: number): string {
  const full = Math.round(share * width)
  return paint('green', '█'.repeat(full)) + paint('dim', '░'.repeat(width - full))
}

const LEVELS = [...'▁▂▃▄▅▆▇█']

/** One character for each value; `top` is full height. */
export function sparkline(values: number[], top: number): string {
  return values
    .map((value) => LEVELS[Math.min(LEVELS.length - 1, Math.floor((value / top) * LEVELS.length))])
    .join('')
}
