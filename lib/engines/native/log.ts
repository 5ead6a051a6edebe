import type { EngineLog, EngineLogStats, LogState } from '../../contract/engine-log.js'
import type { ForkstoreError } from '../../base/errors.js'
import type { NativeLog as Handle } from './binding.js'
import { fromNative } from './errors.js'

/** In the order of `enum class LogState` in native/log/log.h. */
const STATES: readonly LogState[] = ['healthy', 'failed', 'healing', 'read-only', 'closed']

/** The log of the C++ core. */
export class NativeLog implements EngineLog {
  onProgress: () => void = () => undefined
  readonly #handle: Handle
  #refusesWrites = false
  /** Called when the log is closed; set while that is awaited. */
  #onClosed: (() => void) | undefined
  #isClosed = false

  /** Starts it. Errors: ERR_FORKSTORE_IO. */
  constructor(handle: Handle) {
    this.#handle = handle
    handle.start(() => this.#wake())
  }

  get state(): LogState {
    return this.#isClosed ? 'closed' : STATES[this.#handle.state()]!
  }

  get durableSequence(): number {
    return this.#handle.durableSequence()
  }

  get isBehind(): boolean {
    return this.#handle.isBehind()
  }

  get appendedBytes(): number {
    return this.#handle.appendedBytes()
  }

  get failure(): ForkstoreError | undefined {
    const failure = this.#handle.failure()
    return failure === undefined ? undefined : (fromNative(failure) as ForkstoreError)
  }

  get refusesWrites(): boolean {
    return this.#refusesWrites
  }

  set refusesWrites(isRefused: boolean) {
    if (isRefused === this.#refusesWrites) return
    this.#refusesWrites = isRefused
    this.#handle.refuseWrites(isRefused)
  }

  endBatch(sync: boolean): void {
    this.#handle.endBatch(sync)
  }

  sequenceToAwait(): number {
    return this.#handle.sequenceToAwait()
  }

  hold(isHeld: boolean): void {
    this.#handle.hold(isHeld)
  }

  syncNow(mostMs: number): void {
    if (!this.#isClosed) this.#handle.syncNow(mostMs)
  }

  stats(): EngineLogStats {
    return this.#handle.stats()
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => (this.#onClosed = resolve))
    this.#handle.hold(true)
    this.#handle.beginClose()
    this.#wake()
    await closed
    const { failure } = this
    this.#isClosed = true
    if (failure !== undefined) throw failure
  }

  #wake(): void {
    if (this.#isClosed) return
    if (this.#onClosed === undefined) this.onProgress()
    else if (this.state === 'closed') this.#onClosed()
  }
}
