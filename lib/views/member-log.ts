/**
 * That a member came or went (`by` 1), or that this was taken back (-1), or that it did not happen after all (0).
 */
interface Event<Owner> {
  readonly owner: Owner | undefined
  readonly name: string
  by: number
  next: Event<Owner> | undefined
}

/**
 * Tells queries over objects which names are not, or not any more, the members that were there when they
 * began. A list of which only the end is kept: each query that is under way holds on to the place up to which
 * it has read, and what no query needs goes with the garbage. `Owner` is what an object is known by.
 */
export class MemberLog<Owner> {
  end: Event<Owner> = { owner: undefined, name: '', by: 0, next: undefined }

  /** Returns the event, whose `by` can be made 0 when the change has failed. */
  add(owner: Owner | undefined, name: string, by = 1): Event<Owner> {
    return (this.end = this.end.next = { owner, name, by, next: undefined })
  }

  /** Says that everything since `mark`, which was the end once, is taken back. */
  takeBack(mark: Event<Owner>): void {
    const { end } = this
    for (let at = mark; at !== end; ) {
      at = at.next as Event<Owner>
      if (at.by !== 0) this.add(at.owner, at.name, -at.by)
    }
  }
}

/** The names of one object whose members are not those that were there when this was made. */
export class Newcomers<Owner> {
  readonly #owner: Owner
  #at: Event<Owner>
  #counts: Map<string, number> | undefined

  constructor(log: MemberLog<Owner>, owner: Owner) {
    this.#owner = owner
    this.#at = log.end
  }

  /** Whether there may be some. */
  get isAny(): boolean {
    return this.#counts !== undefined || this.#at.next !== undefined
  }

  has(name: string): boolean {
    for (let at = this.#at.next; at !== undefined; at = at.next) {
      this.#at = at
      if (at.owner !== this.#owner || at.by === 0) continue
      const counts = (this.#counts ??= new Map<string, number>())
      counts.set(at.name, (counts.get(at.name) ?? 0) + at.by)
    }
    return this.#counts !== undefined && (this.#counts.get(name) ?? 0) !== 0
  }
}
