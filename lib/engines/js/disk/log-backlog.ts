export interface LogBounds {
  /** More than this of the turn that has not ended is handed to the system before it ends. */
  fragmentBytes: number
  /** More than this is synced without being asked for. */
  syncBytes: number
  /** More than this waits for the disk: it is behind. */
  softBytes: number
  /** More than this, and a write waits for the disk. */
  hardBytes: number
}

export const BOUNDS: LogBounds = {
  fragmentBytes: 4 * 2 ** 20,
  syncBytes: 16 * 2 ** 20,
  softBytes: 64 * 2 ** 20,
  hardBytes: 256 * 2 ** 20,
}

/** The bytes that were handed to the system, and how many of them have not been synced yet. */
export class Backlog {
  #written = 0
  #synced = 0

  constructor(readonly bounds: LogBounds) {}

  /** Handed to the system, all in all. */
  get written(): number {
    return this.#written
  }

  get unsynced(): number {
    return this.#written - this.#synced
  }

  get isToBeSynced(): boolean {
    return this.unsynced > this.bounds.syncBytes
  }

  get isFull(): boolean {
    return this.unsynced > this.bounds.hardBytes
  }

  append(bytes: number): void {
    this.#written += bytes
  }

  /** A sync has covered the first `written` bytes; without it, all: also where they do not wait any more. */
  settle(written = this.#written): void {
    // A sync beside it may have come further.
    this.#synced = Math.max(this.#synced, written)
  }
}
