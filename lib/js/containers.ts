/** Changes of plain arrays that keep what JavaScript has no word for: orders and holes. */

/** Arguments of one call; more may be too many for the stack. */
const MOST_ARGUMENTS = 1000

/** As Array.prototype.splice, with holes among the new items staying holes. */
export function spliceItems(
  array: unknown[],
  start: number,
  deleteCount: number,
  items: readonly unknown[],
): unknown[] {
  const isSimple = items.length <= MOST_ARGUMENTS && Object.keys(items).length === items.length
  if (isSimple) return array.splice(start, deleteCount, ...items)
  const tail = array.slice(start + deleteCount)
  const removed = array.slice(start, start + deleteCount)
  array.length = start
  appendItems(array, items)
  appendItems(array, tail)
  return removed
}

function appendItems(array: unknown[], items: readonly unknown[]): void {
  const start = array.length
  array.length = start + items.length
  // forEach: it leaves holes out.
  items.forEach((item, index) => (array[start + index] = item))
}

/** Item i becomes what item order[i] was, holes included; what it returns is how they stood before. */
export function permuteItems(array: unknown[], order: ArrayLike<number>): unknown[] {
  const before = array.slice()
  const after = new Array<unknown>(before.length)
  for (let to = 0; to < order.length; to++) {
    const from = order[to] as number
    if (Object.hasOwn(before, from)) after[to] = before[from]
  }
  replaceItems(array, after)
  return before
}

/** Makes the array what `items` is, holes included. */
export function replaceItems(array: unknown[], items: readonly unknown[]): void {
  array.length = 0
  appendItems(array, items)
}

const MANY_HOLES = 4096

/** The index of the first item from `from` on that is no hole; -1 when there is none. */
export function nextItem(array: readonly unknown[], from: number): number {
  const last = Math.min(array.length, from + MANY_HOLES)
  for (let index = from; index < last; index++) if (Object.hasOwn(array, index)) return index
  if (last === array.length) return -1
  // Length is only a number: there may be four thousand million holes.
  for (const name of Object.keys(array)) if (Number(name) >= from) return Number(name)
  return -1
}
