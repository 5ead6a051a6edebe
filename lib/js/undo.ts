/**
 * What takes back the writes of transactions: for each write, while a scope is open, a closure that restores what was
 * there, with its place in the order. Run newest first.
 */
export class Undo {
  readonly #steps: (() => void)[] = []
  /** For each open scope, how many steps there were when it began. */
  readonly #scopes: number[] = []

  /** A scope is open: writes must be recorded. */
  get active(): boolean {
    return this.#scopes.length > 0
  }

  /** REQUIRES: active. */
  record(step: () => void): void {
    this.#steps.push(step)
  }

  begin(): void {
    this.#scopes.push(this.#steps.length)
  }

  commit(): void {
    this.#scopes.pop()
    if (!this.active) this.#steps.length = 0
  }

  rollback(): void {
    const start = this.#scopes.pop() ?? 0
    while (this.#steps.length > start) this.#steps.pop()?.()
  }
}
