import type { inspect, InspectOptionsStylized } from 'node:util'

interface Shown {
  readonly size: number
  entries: () => Iterable<[unknown, unknown]>
}

/**
 * What a map's `[inspect.custom]` returns: the text that a Map with the same entries has, at every depth and
 * with every option, with `Forkstore` before it. No more is read than is shown.
 */
export function showMap(
  map: Shown,
  depth: number | null,
  options: InspectOptionsStylized,
  inspectValue: typeof inspect,
): string {
  const { size } = map
  if (size > 0 && depth !== null && depth < 0) return options.stylize('[ForkstoreMap]', 'special')
  const most = Math.max(0, options.maxArrayLength ?? Infinity)
  const shown = new Map<unknown, unknown>()
  for (const [key, value] of map.entries()) {
    // One more than are shown, so that it is said that there are more.
    shown.set(key, shown.size < most ? value : undefined)
    if (shown.size > most) break
  }
  const text = inspectValue(shown, { ...options, depth: depth as number })
  if (shown.size === size) return `Forkstore${text}`
  const end = text.lastIndexOf('... 1 more item')
  const more = `... ${size - shown.size + 1} more items`
  const counted = text.slice(0, end).replace(`(${shown.size})`, `(${size})`)
  return `Forkstore${counted}${more}${text.slice(end + '... 1 more item'.length)}`
}
