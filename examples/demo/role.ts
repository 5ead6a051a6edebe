/** What every child process of the demo does first: read its options, and never outlive its parent. */
export function startRole<Options, Incoming, Outgoing>(): {
  options: Options
  send: (message: Outgoing) => Promise<void>
  receive: (listener: (message: Incoming) => void) => void
} {
  // Ctrl-C goes to the whole group of processes; the parent tidies up and ends its children itself.
  process.on('SIGINT', () => {})
  process.on('disconnect', () => process.exit(1))
  return {
    options: JSON.parse(process.argv[2] ?? '{}') as Options,
    send: (message) =>
      new Promise((resolve, reject) => {
        process.send!(message, undefined, undefined, (error: Error | null) =>
          error ? reject(error) : resolve(),
        )
      }),
    receive: (listener) => {
      process.on('message', (message) => listener(message as Incoming))
    },
  }
}
