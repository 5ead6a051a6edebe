import type { Answer, Call } from './process.js'

// The other end of runInProcess: one call, one answer, and out.
// Whoever asked may be gone: a server or a store of gigabytes must not outlive it.
process.on('disconnect', () => process.exit(1))

process.once('message', (message) => {
  const { module, name, args } = message as Call
  void answer(module, name, args).then((reply) =>
    process.send?.(reply, undefined, undefined, () => process.exit(0)),
  )
})

async function answer(module: string, name: string, args: unknown[]): Promise<Answer> {
  try {
    const functions = (await import(module)) as Record<string, (...args: unknown[]) => unknown>
    const called = functions[name]
    if (called === undefined) throw new Error(`${module} exports no ${name}`)
    return { result: await called(...args) }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
