/** The demo's child processes: started with their options, heard by message type, never left behind. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const running = new Set<ChildProcess>()

export class Child<Incoming extends { type: string }, Outgoing> {
  readonly #child: ChildProcess
  readonly #name: string
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(name: string, options: unknown, heapMegabytes = 0) {
    this.#name = name
    const heap = heapMegabytes > 0 ? [`--max-old-space-size=${heapMegabytes}`] : []
    this.#child = fork(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), [JSON.stringify(options)], {
      cwd: root,
      execArgv: ['--import', import.meta.resolve('tsx'), ...heap],
      serialization: 'advanced',
    })
    running.add(this.#child)
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        running.delete(this.#child)
        resolve({ code, signal })
      })
    })
  }

  on<Type extends Incoming['type']>(
    type: Type,
    listener: (message: Extract<Incoming, { type: Type }>) => void,
  ): void {
    this.#child.on('message', (message) => {
      if ((message as Incoming).type === type) listener(message as Extract<Incoming, { type: Type }>)
    })
  }

  /** The next message of this type. Rejects when the process ends without it. */
  next<Type extends Incoming['type']>(type: Type): Promise<Extract<Incoming, { type: Type }>> {
    return new Promise((resolve, reject) => {
      this.on(type, resolve)
      // Messages that are still in the pipe come before 'disconnect', but may come after 'exit'.
      this.#child.once('disconnect', () => reject(new Error(`the ${this.#name} process ended early`)))
      this.#child.once('error', reject)
    })
  }

  send(message: Outgoing): void {
    if (this.#child.connected) this.#child.send(message as object, () => {})
  }
}

export function killChildren(): void {
  for (const child of running) child.kill('SIGKILL')
}
