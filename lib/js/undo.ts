/** An open scope: how much there was of each when it began. */
export interface Scope {
  /** Lines in the log's batch. */
  lines: number
  maps: number
  writes: number
}

/**
 * What takes back the writes of transactions: for each write, while a scope is open, a closure that restores what was
 * there, with its place in the order. Run newest first. A closure that fails, for want of stack, runs once more: it has
 * to come to the same.
 */
export class Undo {
  readonly #steps: (() => void)[] = []
  readonly #scopes: (Scope & { steps: number })[] = []
  readonly #ends: (() => void)[] = []

  /** How many scopes are open. */
  get depth(): number {
    return this.#scopes.length
  }

  /** A scope is open: writes must be recorded. */
  get active(): boolean {
    return this.#scopes.length > 0
  }

  /** The last scope has ended, but not all that was to be run then has been. */
  get isUnfinished(): boolean {
    return this.#scopes.length === 0 && this.#ends.length > 0
  }

  /** REQUIRES: active. */
  record(step: () => void): void {
    this.#steps.push(step)
  }

  /** Runs this when the outermost scope has ended, kept or taken back. REQUIRES: active. */
  atEnd(run: () => void): void {
    this.#ends.push(run)
  }

  begin(scope: Scope): void {
    this.#scopes.push({ ...scope, steps: this.#steps.length })
  }

  commit(): void {
    this.#scopes.pop()
    if (this.active) return
    this.#steps.length = 0
    this.finish()
  }

  /** Takes back what was written since the innermost scope began, and then ends it. `also` takes back the rest. */
  rollback(also: (scope: Scope) => void): void {
    const scope = this.#scopes.at(-1)!
    for (let step = this.#steps.length; step > scope.steps; step--) {
      this.#steps[step - 1]!()
      this.#steps.length = step - 1
    }
    also(scope)
    this.#scopes.pop()
    if (!this.active) this.finish()
  }

  finish(): void {
    for (let run = this.#ends.at(-1); run !== undefined; run = this.#ends.at(-1)) {
      run()
      this.#ends.pop()
    }
  }
}
