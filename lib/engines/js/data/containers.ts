/**
 * Changes of plain arrays that keep holes, and cost no time for them: splicing, reordering, listing the
 * items.
 */

/** Arguments of one call; more may be too many for the stack. */
const MOST_ARGUMENTS = 1000

/** Items in order, with their indexes: a plain array, or the items of one that has many holes. */
export interface Items {
  readonly length: number
  forEach(each: (value: unknown, index: number) => void): void
}

/** For a part of an array that is mostly holes (up to 2^32 - 1 of them): holds only the items. */
class FewItems implements Items {
  readonly #found: [index: number, value: unknown][] = []

  constructor(readonly length: number) {}

  add(index: number, value: unknown): void {
    this.#found.push([index, value])
  }

  forEach(each: (value: unknown, index: number) => void): void {
    for (const [index, value] of this.#found) each(value, index)
  }
}

/** The same items as an array of the caller's own. */
export function arrayOf(items: Items): unknown[] {
  if (Array.isArray(items)) return items as unknown[]
  const array: unknown[] = []
  items.forEach((value, index) => (array[index] = value))
  array.length = items.length
  return array
}

/**
 * As Array.prototype.splice, with holes among the new items staying holes; in time for the items there are,
 * and not for the holes. REQUIRES: the array does not become longer than arrays can be.
 */
export function spliceItems(array: unknown[], start: number, deleteCount: number, items: Items): Items {
  const end = start + deleteCount
  const changed = items.length === deleteCount ? end : array.length
  if (isMostlyHoles(array, start, changed)) {
    const removed = new FewItems(deleteCount)
    const tail = new FewItems(array.length - end)
    for (const name of Object.keys(array)) {
      const index = Number(name)
      if (index >= end) tail.add(index - end, array[index])
      else if (index >= start) removed.add(index - start, array[index])
    }
    return replaceTail(array, start, items, removed, tail)
  }
  const isSimple =
    items.length <= MOST_ARGUMENTS && Array.isArray(items) && Object.keys(items).length === items.length
  if (isSimple) return array.splice(start, deleteCount, ...(items as unknown[]))
  return replaceTail(array, start, items, array.slice(start, end), array.slice(end))
}

function replaceTail(array: unknown[], start: number, items: Items, removed: Items, tail: Items): Items {
  array.length = start
  appendItems(array, items)
  appendItems(array, tail)
  return removed
}

const STRIDE = 16
const FEW = 256

/**
 * Whether [start, end) has many more holes than items, so that to go over all names of the array is less
 * work. Looks at one index of 16, no further than it finds items, and a few more: where it says no, there are
 * as many items as holes, but for a constant factor.
 */
function isMostlyHoles(array: readonly unknown[], start: number, end: number): boolean {
  let balance = FEW
  for (let index = start; index < end; index += STRIDE) {
    // What is undefined passes for a hole: hasOwn would cost more than all that a full array's splice moves.
    balance += array[index] === undefined ? -1 : 1
    if (balance === 0) return true
  }
  return false
}

function appendItems(array: unknown[], items: Items): void {
  const start = array.length
  array.length = start + items.length
  const put = (value: unknown, index: number): void => {
    array[start + index] = value
  }
  if (Array.isArray(items) && isMostlyHoles(items, 0, items.length)) {
    for (const name of Object.keys(items)) put((items as unknown[])[Number(name)], Number(name))
  } else {
    // forEach: it leaves holes out.
    items.forEach(put)
  }
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

/**
 * The items there are in [start, end), in order: in time for them, or where holes are many, for the array's names.
 */
export function presentItems(
  array: readonly unknown[],
  start: number,
  end: number,
): [index: number, value: unknown][] {
  const found: [index: number, value: unknown][] = []
  if (isMostlyHoles(array, start, end)) {
    for (const name of Object.keys(array)) {
      const index = Number(name)
      if (index >= start && index < end) found.push([index, array[index]])
    }
    return found
  }
  for (let index = start; index < end; index++) {
    if (Object.hasOwn(array, index)) found.push([index, array[index]])
  }
  return found
}

/** Behind so many holes in a row it takes less time to list the indexes of all items than to go on. */
export const MANY_HOLES = 4096

/** The index of the first item from `from` on that is no hole; -1 when there is none. */
export function nextItem(array: readonly unknown[], from: number): number {
  const last = Math.min(array.length, from + MANY_HOLES)
  for (let index = from; index < last; index++) if (Object.hasOwn(array, index)) return index
  if (last === array.length) return -1
  // Not index by index to the end: there may be 2^32 - 1 holes.
  for (const name of Object.keys(array)) if (Number(name) >= from) return Number(name)
  return -1
}
