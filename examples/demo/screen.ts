/** What a person sees while the demo runs: a live view in a terminal, a line a second elsewhere. */
import type { SnapshotResult } from 'forkstore'
import { bar, count, megabytes, milliseconds, paint, sparkline } from './format.js'
import { Frame } from './frame.js'
import type { Second } from './model.js'

export interface Screen {
  /** Progress of filling the server or, later, its JavaScript twin. */
  loading(what: 'load' | 'twin', loaded: number, elapsedMs: number): void
  ready(engine: string, liveBytes: number, warnings: string[]): void
  second(second: Second): void
  snapshotBegins(): void
  snapshotEnds(result: SnapshotResult, liveBytes: number): void
  killed(signal: string | null): void
  close(): void
}

export function createScreen(entries: number): Screen {
  return process.stdout.isTTY ? new LiveScreen(entries) : new LogScreen(entries)
}

const snapshotCells = (result: SnapshotResult): [string, string][] => [
  ['file', megabytes(result.bytes)],
  ['pause', milliseconds(result.pauseMs)],
  ['fork', milliseconds(result.forkMs)],
  ['took', milliseconds(result.durationMs)],
  ['copied', megabytes(result.copiedBytes)],
]

class LogScreen implements Screen {
  readonly #entries: number
  #lastLoadingLine = -Infinity
  #seconds = 0
  #snapshotRunning = false

  constructor(entries: number) {
    this.#entries = entries
    console.log(`forkstore demo: ${count(entries)} packages`)
  }

  loading(what: 'load' | 'twin', loaded: number, elapsedMs: number): void {
    const finished = loaded === this.#entries
    if (elapsedMs < this.#lastLoadingLine) this.#lastLoadingLine = -Infinity // the twin begins at 0 again
    if (!finished && elapsedMs - this.#lastLoadingLine < 1000) return
    this.#lastLoadingLine = elapsedMs
    const percent = Math.floor((100 * loaded) / this.#entries)
    console.log(
      `${what === 'load' ? 'loading' : 'loading the JS twin'}: ${percent} %, ${count(loaded)} records in ${milliseconds(elapsedMs)}`,
    )
  }

  ready(engine: string, liveBytes: number, warnings: string[]): void {
    for (const warning of warnings) console.log(`warning: ${warning}`)
    console.log(`serving: engine ${engine}${liveBytes > 0 ? `, ${megabytes(liveBytes)} of data` : ''}`)
  }

  second(second: Second): void {
    this.#seconds++
    const { latency } = second
    const times = latency
      ? `p50 ${milliseconds(latency.p50Ms)}, p99 ${milliseconds(latency.p99Ms)}, p99.9 ${milliseconds(latency.p999Ms)}, slowest ${milliseconds(latency.slowestMs)}`
      : 'nothing answered'
    const mark = this.#snapshotRunning ? ', snapshot running' : ''
    console.log(
      `second ${this.#seconds}: ${count(second.issued)} requests, ${count(second.writes)} of them writes; ${times}${mark}`,
    )
  }

  snapshotBegins(): void {
    this.#snapshotRunning = true
  }

  snapshotEnds(result: SnapshotResult): void {
    this.#snapshotRunning = false
    const cells = snapshotCells(result).map(([name, value]) => `${name} ${value}`)
    console.log(`snapshot ${result.generation}: ${cells.join(', ')}`)
  }

  killed(signal: string | null): void {
    console.log(`the server ended by ${signal} just after a snapshot began; opening what it left`)
  }

  close(): void {}
}

const BAR_WIDTH = 40
const GRAPH_SECONDS = 48
const FRAME_MS = 100

class LiveScreen implements Screen {
  readonly #entries: number
  readonly #redraw = setInterval(() => this.#draw(), FRAME_MS)
  readonly #frame = new Frame()
  #closed = false
  #loading: Record<'load' | 'twin', { loaded: number; elapsedMs: number } | undefined> = {
    load: undefined,
    twin: undefined,
  }
  #engine = ''
  #warnings: string[] = []
  #liveBytes = 0
  #seconds: { second: Second; snapshot: boolean }[] = []
  #snapshots: SnapshotResult[] = []
  #snapshotRunning = false
  #snapshotSeen = false
  #killed: string | undefined

  constructor(entries: number) {
    this.#entries = entries
    this.#redraw.unref()
  }

  loading(what: 'load' | 'twin', loaded: number, elapsedMs: number): void {
    this.#loading[what] = { loaded, elapsedMs }
  }

  ready(engine: string, liveBytes: number, warnings: string[]): void {
    this.#engine = engine
    this.#warnings = warnings
    this.#liveBytes = liveBytes
  }

  second(second: Second): void {
    this.#seconds.push({ second, snapshot: this.#snapshotSeen })
    this.#snapshotSeen = this.#snapshotRunning
  }

  snapshotBegins(): void {
    this.#snapshotRunning = true
    this.#snapshotSeen = true
  }

  snapshotEnds(result: SnapshotResult, liveBytes: number): void {
    this.#snapshotRunning = false
    this.#liveBytes = liveBytes
    this.#snapshots.push(result)
  }

  killed(signal: string | null): void {
    this.#killed = `the server ended by ${signal} just after a snapshot began; opening what it left`
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#redraw)
    this.#draw()
    this.#frame.close()
  }

  #draw(): void {
    this.#frame.draw(this.#lines())
  }

  #lines(): string[] {
    const lines = [
      '',
      ` ${paint('bold', 'forkstore demo')}   ${count(this.#entries)} packages   ${paint('dim', 'Ctrl-C stops')}`,
      '',
    ]
    lines.push(this.#loadingLine('load', 'load'))
    for (const warning of this.#warnings) lines.push(` ${paint('yellow', 'warning')}   ${warning}`)
    if (this.#engine !== '') lines.push(...this.#serving())
    if (this.#killed !== undefined) lines.push('', ` ${paint('red', 'killed')}    ${this.#killed}`)
    if (this.#loading.twin !== undefined) lines.push('', this.#loadingLine('twin', 'JS twin'))
    lines.push('')
    return lines
  }

  #loadingLine(what: 'load' | 'twin', title: string): string {
    const { loaded, elapsedMs } = this.#loading[what] ?? { loaded: 0, elapsedMs: 0 }
    const share = loaded / this.#entries
    const percent = `${Math.floor(share * 100)} %`.padStart(5)
    return ` ${title.padEnd(9)} ${bar(share, BAR_WIDTH)} ${percent}   ${count(loaded)} records in ${milliseconds(elapsedMs)}`
  }

  #serving(): string[] {
    const shown = this.#seconds.slice(-GRAPH_SECONDS)
    const last = shown.at(-1)?.second
    const data = this.#liveBytes > 0 ? `, ${megabytes(this.#liveBytes)} of data` : ''
    const lines = [` serve     engine ${this.#engine}${data}, ${this.#seconds.length} s`, '']
    const cell = (text: string): string => text.padStart(11)
    const head = ['requests/s', 'writes/s', 'p50', 'p99', 'p99.9', 'slowest']
    lines.push(paint('dim', ` ${' '.repeat(9)}${head.map(cell).join('')}`))
    const { latency } = last ?? {}
    const row = last
      ? [
          count(last.issued),
          count(last.writes),
          ...[latency?.p50Ms, latency?.p99Ms, latency?.p999Ms, latency?.slowestMs].map((ms) =>
            ms === undefined ? '-' : milliseconds(ms),
          ),
        ]
      : head.map(() => '-')
    lines.push(` last 1 s ${row.map(cell).join('')}`, '')

    const slowest = shown.map(({ second }) => second.latency?.slowestMs ?? 0)
    const top = Math.max(1, ...slowest)
    const marks = shown.map(({ snapshot }) => (snapshot ? '▲' : ' ')).join('')
    lines.push(
      ` slowest   ${paint('cyan', sparkline(slowest, top))}   ${paint('dim', `a second each, up to ${milliseconds(top)}`)}`,
    )
    lines.push(` snapshot  ${paint('yellow', marks)}`, '')

    if (this.#snapshots.length > 0 || this.#snapshotRunning) {
      lines.push(paint('dim', ` snapshots ${['file', 'pause', 'fork', 'took', 'copied'].map(cell).join('')}`))
    }
    for (const result of this.#snapshots) {
      const cells = snapshotCells(result).map(([name, value]) =>
        name === 'pause' ? paint('bold', cell(value)) : cell(value),
      )
      lines.push(` ${String(result.generation).padStart(9)} ${cells.join('')}`)
    }
    if (this.#snapshotRunning) lines.push(` ${' '.repeat(9)}${cell('writing ...')}`)
    return lines
  }
}
