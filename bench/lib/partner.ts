import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** To end, a partner that was told so has this long. */
const leaveMs = 60_000

/**
 * A process that serves this one: it is told commands, and answers each with one message. It ends when it is told
 * 'stop', and by itself when this process is gone (child.ts).
 */
export class Partner {
  readonly #process: ChildProcess
  readonly #ended: Promise<string>

  /** Calls an exported function of a module there, which listens for the commands. `flags` are Node's. */
  constructor(flags: string[], module: string, name: string, ...args: unknown[]) {
    this.#process = fork(fileURLToPath(new URL('./child.js', import.meta.url)), {
      execArgv: ['--no-warnings', ...flags],
      serialization: 'advanced',
    })
    this.#ended = once(this.#process, 'exit').then(
      ([code, signal]) => `${name} ended with ${signal ?? `code ${code}`}`,
    )
    this.#process.send({ module, name, args })
  }

  /** The next message; rejects when the process fails, ends, or says nothing for so long. */
  async hear<Answer extends object>(mostMs: number): Promise<Answer> {
    const controller = new AbortController()
    const { signal } = controller
    try {
      const [message] = (await Promise.race([
        once(this.#process, 'message', { signal }),
        this.#ended.then((how) => Promise.reject(new Error(how))),
        sleep(mostMs, undefined, { signal }).then(() => Promise.reject(new Error('no answer came in time'))),
      ])) as [Answer | { error: string }]
      if ('error' in message) throw new Error(message.error)
      return message
    } catch (error) {
      this.#process.kill('SIGKILL')
      throw error
    } finally {
      controller.abort()
    }
  }

  ask<Answer extends object>(command: unknown, mostMs: number): Promise<Answer> {
    const answer = this.hear<Answer>(mostMs)
    this.#process.send(command as object)
    return answer
  }

  async stop(): Promise<void> {
    if (this.#process.connected) this.#process.send('stop')
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), leaveMs)
    await this.#ended
    clearTimeout(timer)
  }
}

/** In the partner: calls `answer` for each command and sends what it resolves to, until it is told to stop. */
export function serveCommands<Command>(answer: (command: Command) => Promise<object>): Promise<void> {
  return new Promise((resolve, reject) => {
    process.on('message', (command) => {
      if (command === 'stop') resolve()
      else answer(command as Command).then((result) => process.send?.(result), reject)
    })
  })
}
