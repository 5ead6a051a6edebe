import { fork } from 'node:child_process'

/** A call that `runInProcess` passes on to its child. */
export interface Call {
  module: string
  name: string
  args: unknown[]
}

export type Answer = { result: unknown } | { error: string }

/**
 * The same for every contender, and otherwise the defaults that servers run with. `--expose-gc` so that
 * garbage of one phase is not collected in the next.
 */
const nodeFlags = ['--expose-gc', '--no-warnings', '--enable-source-maps']

/** Calls an exported function of a module in a new Node process and gives back what it resolves to. */
export function runInProcess<T>(module: string, name: string, ...args: unknown[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('./child.js', import.meta.url), {
      execArgv: nodeFlags,
      serialization: 'advanced',
    })
    let answer: Answer | undefined
    child.on('message', (message) => (answer = message as Answer))
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (answer === undefined)
        reject(new Error(`${name} of ${module} ended with ${signal ?? `code ${code}`}`))
      else if ('error' in answer) reject(new Error(answer.error))
      else resolve(answer.result as T)
    })
    child.send({ module, name, args } satisfies Call)
  })
}
