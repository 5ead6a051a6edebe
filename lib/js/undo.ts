/**
 * What takes back the writes of transactions: for each write, while a scope is open, a closure that restores what was
 * there, with its place in the order. Run newest first.
 */
export class Undo {
  readonly #steps: (() => void)[] = []
  /** For each open scope, how many steps there were when it began. */
  readonly #scopes: number[] = []
  readonly #ends: (() => void)[] = []

  /** A scope is open: writes must be recorded. */
  get active(): boolean {
    return this.#scopes.length > 0
  }

  /** REQUIRES: active. */
  record(step: () => void): void {
    this.#steps.push(step)
  }

  /** Runs this once when the outermost scope has ended, kept or taken back. REQUIRES: active. */
  atEnd(run: () => void): void {
    this.#ends.push(run)
  }

  begin(): void {
    this.#scopes.push(this.#steps.length)
  }

  commit(): void {
    this.#scopes.pop()
    if (this.active) return
    this.#steps.length = 0
    this.#end()
  }

  rollback(): void {
    const start = this.#scopes.pop() ?? 0
    while (this.#steps.length > start) this.#steps.pop()?.()
    if (!this.active) this.#end()
  }

  #end(): void {
    for (const run of this.#ends.splice(0)) run()
  }
}
