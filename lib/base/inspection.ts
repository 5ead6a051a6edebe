import type { inspect, InspectOptionsStylized } from 'node:util'

/** What an `[inspect.custom]` returns for an object that is to be shown by a few members: `Store { path: ... }`. */
export function showAs(
  name: string,
  members: object,
  depth: number | null,
  options: InspectOptionsStylized,
  inspectValue: typeof inspect,
): string {
  if (depth !== null && depth < 0) return options.stylize(`[${name}]`, 'special')
  // Members of members, which are few too, are shown at any depth.
  return `${name} ${inspectValue(members, { ...options, depth: 1 })}`
}
