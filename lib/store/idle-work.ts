import type { Engine } from '../contract/engine.js'
import { clearTimeout, setTimeout } from '../base/timers.js'

const FIRST_DELAY_MS = 20
const STEP_DELAY_MS = 1

/**
 * Gives an engine time for what it left undone (the memory of a cleared map, units with few blocks), one bounded
 * step at a time. Never keeps the process alive.
 */
export class IdleWork {
  readonly #engine: Engine
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(engine: Engine) {
    this.#engine = engine
    this.wake() // what was opened may have been left by deletions
  }

  /** Called after each write, and when a snapshot has ended: only these leave work behind. */
  wake(): void {
    // The native engine alone has idle work, and asking costs nothing when there is none.
    if (this.#timer === undefined && !this.#isStopped) this.#later(FIRST_DELAY_MS)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #later(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (!this.#engine.idle()) this.#later(STEP_DELAY_MS)
    }, delayMs).unref()
  }
}
