/** What rows can be told apart by. */
export type Comparable = number | bigint | string | Date

interface Ranked<V> {
  readonly by: Comparable
  /** Which of the rows it was: among equals the first is the higher. */
  readonly turn: number
  readonly row: V
}

/** The `most` highest rows of those that come by, in memory for so many: a heap with the lowest of them on top. */
export class TopRows<V> {
  readonly #most: number
  readonly #heap: Ranked<V>[] = []
  #turns = 0

  constructor(most: number) {
    this.#most = most
  }

  /** `take` makes the row what is to be kept; it is called for those only that may come out. */
  add(by: Comparable, take: () => V): void {
    const heap = this.#heap
    const turn = this.#turns++
    if (heap.length < this.#most) {
      heap.push({ by, turn, row: take() })
      this.#up(heap.length - 1)
    } else if (heap.length > 0 && by > heap[0]!.by) {
      heap[0] = { by, turn, row: take() }
      this.#down()
    }
  }

  /** The highest first. */
  rows(): V[] {
    return this.#heap.sort((one, other) => (isLower(one, other) ? 1 : -1)).map(({ row }) => row)
  }

  #up(at: number): void {
    const heap = this.#heap
    for (let child = at; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!isLower(heap[child]!, heap[parent]!)) return
      this.#swap(child, parent)
      child = parent
    }
  }

  #down(): void {
    const heap = this.#heap
    for (let parent = 0; ; ) {
      let child = 2 * parent + 1
      if (child >= heap.length) return
      if (child + 1 < heap.length && isLower(heap[child + 1]!, heap[child]!)) child++
      if (!isLower(heap[child]!, heap[parent]!)) return
      this.#swap(child, parent)
      parent = child
    }
  }

  #swap(one: number, other: number): void {
    const heap = this.#heap
    const kept = heap[one]!
    heap[one] = heap[other]!
    heap[other] = kept
  }
}

function isLower(one: Ranked<unknown>, other: Ranked<unknown>): boolean {
  return one.by < other.by || (!(one.by > other.by) && one.turn > other.turn)
}
