import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Of Node, for programs that end by `process.exit()` or a throw: there a thread that compiles can wait for a
 * garbage collection of the main thread, which waits for that thread to end (nodejs/node#54918).
 */
export const compileOnMainThread = ['--no-concurrent-sparkplug', '--no-concurrent-recompilation']

/** A program of test/faults/ in a process of its own, talked to by IPC. */
export class Program {
  readonly child: ChildProcess
  readonly #messages: unknown[] = []
  #wake: () => void = () => undefined
  #ended = false
  exitCode: number | null = null
  signal: NodeJS.Signals | null = null

  constructor(
    name: string,
    args: string[],
    options: { env?: Record<string, string>; detached?: boolean; execArgv?: string[] } = {},
  ) {
    this.child = fork(fileURLToPath(new URL(`../faults/${name}`, import.meta.url)), args, {
      env: { ...process.env, ...options.env },
      execArgv: options.execArgv ?? [],
      detached: options.detached ?? false,
    })
    this.child.on('message', (message) => {
      this.#messages.push(message)
      this.#wake()
    })
    this.child.once('exit', (code, signal) => {
      this.#ended = true
      this.exitCode = code
      this.signal = signal
      this.#wake()
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** The next message; rejects when the process ends or nothing comes for long. */
  async message<T = Record<string, unknown>>(): Promise<T> {
    const deadline = Date.now() + 110_000
    while (this.#messages.length === 0) {
      if (this.#ended) throw new Error(`the program has ended: code ${this.exitCode}, signal ${this.signal}`)
      if (Date.now() > deadline) throw new Error('the program says nothing')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.#messages.shift() as T
  }

  async ask<T = Record<string, unknown>>(command: unknown): Promise<T> {
    this.child.send(command as string)
    return this.message<T>()
  }

  async end(): Promise<void> {
    if (this.child.connected) this.child.disconnect()
    const deadline = Date.now() + 30_000
    while (!this.#ended) {
      if (Date.now() > deadline) this.child.kill('SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}
