/** An open scope: how much there was of each when it began. */
interface Scope {
  /** Lines in the log's batch. */
  lines: number
  /** Maps made in transactions. */
  maps: number
  writes: number
}

/**
 * What takes back the writes of transactions: for each write, while a scope is open, a closure that restores
 * what was there, with its place in the order. They run newest first. The caller must make sure that there is
 * room on the stack for them (stack-room.ts).
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
    this.#end()
  }

  /** Takes back what was written since the innermost scope began, and ends it; its `Scope`. REQUIRES: active. */
  rollback(): Scope {
    const scope = this.#scopes.pop()!
    while (this.#steps.length > scope.steps) this.#steps.pop()!()
    if (!this.active) this.#end()
    return scope
  }

  #end(): void {
    for (const run of this.#ends.splice(0)) run()
  }
}
