import { monitorEventLoopDelay, PerformanceObserver, type IntervalHistogram } from 'node:perf_hooks'

/** What a process has used in some time: what is Node's in a latency, and what is not. */
export interface Usage {
  /** Of all its threads, not of its children. */
  cpuMsPerSecond: number
  /** During which collections held the event loop. */
  gcMsPerSecond: number
  gcPerSecond: number
  gcMaxMs: number
  /** How late a timer of the event loop was. */
  loopDelayMaxMs: number
}

const resolutionMs = 10

/** Of this process. */
export class UsageMeter {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs })
  readonly #observer: PerformanceObserver
  #gcMs = 0
  #gcCount = 0
  #gcMaxMs = 0
  #startMs = 0
  #cpu = process.cpuUsage()

  constructor() {
    this.#observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        this.#gcMs += duration
        this.#gcCount++
        this.#gcMaxMs = Math.max(this.#gcMaxMs, duration)
      }
    })
    this.#observer.observe({ entryTypes: ['gc'] })
    this.#delay.enable()
    this.start()
  }

  start(): void {
    this.#gcMs = this.#gcCount = this.#gcMaxMs = 0
    this.#delay.reset()
    this.#startMs = performance.now()
    this.#cpu = process.cpuUsage()
  }

  /** Since `start`. */
  read(): Usage {
    const seconds = (performance.now() - this.#startMs) / 1000
    const { user, system } = process.cpuUsage(this.#cpu)
    return {
      cpuMsPerSecond: (user + system) / 1000 / seconds,
      gcMsPerSecond: this.#gcMs / seconds,
      gcPerSecond: this.#gcCount / seconds,
      gcMaxMs: this.#gcMaxMs,
      loopDelayMaxMs: Math.max(0, this.#delay.max / 1e6 - resolutionMs),
    }
  }
}
