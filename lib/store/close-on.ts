import { constants } from 'node:os'

/** What a signal closes. */
export interface Closing {
  /** Never rejects. */
  close(): Promise<void>
}

/** The open stores that a signal closes. A signal that is in here is listened for. */
const storesOf = new Map<NodeJS.Signals, Set<Closing>>()
/** The signals that have come, and whose stores are being closed. */
const signalsReceived = new Set<NodeJS.Signals>()

/**
 * Has the process close a store when a signal comes, and then end by that signal, as it would have done at
 * once; where somebody else listens for it as well, when to end is theirs to decide. A second signal of the
 * kind does not wait. One listener for each signal, however many the stores. A store that is opened while the
 * others are being closed is closed after them.
 */
export function closeOnSignal(signal: NodeJS.Signals, store: Closing): void {
  let stores = storesOf.get(signal)
  if (stores === undefined) {
    storesOf.set(signal, (stores = new Set()))
    // Before the others, as one that listens once is gone when it is its turn.
    process.prependListener(signal, onSignal)
  }
  stores.add(store)
}

/** For a store that has been closed. */
export function cancelCloseOnSignal(signal: NodeJS.Signals, store: Closing): void {
  const stores = storesOf.get(signal)
  // While others close, the listener is what keeps the signal from ending the process.
  if (stores?.delete(store) === true && stores.size === 0 && !signalsReceived.has(signal)) {
    stopListening(signal)
  }
}

function onSignal(signal: NodeJS.Signals): void {
  if (signalsReceived.has(signal)) return endBy(signal)
  signalsReceived.add(signal)
  const isForOthers = countApplicationListeners(signal) > 1 // one is this one
  void closeAll(signal, isForOthers)
}

/** Closes each store once, those included that are opened meanwhile; then ends. */
async function closeAll(signal: NodeJS.Signals, isForOthers: boolean): Promise<void> {
  const stores = storesOf.get(signal)!
  const asked = new Set<Closing>()
  for (;;) {
    const next = [...stores].filter((store) => !asked.has(store))
    if (next.length === 0) break
    for (const store of next) asked.add(store)
    await Promise.all(next.map((store) => store.close()))
  }
  // Unless a second signal has ended the waiting.
  if (storesOf.get(signal) === stores) endBy(signal, isForOthers)
}

function endBy(signal: NodeJS.Signals, isForOthers = false): void {
  signalsReceived.delete(signal)
  stopListening(signal)
  if (isForOthers || countApplicationListeners(signal) > 0) return
  // The first process of a container: Linux drops every signal to it that nobody listens for.
  if (process.pid === 1) process.exit(128 + constants.signals[signal])
  process.kill(process.pid, signal)
}

/**
 * How many listen for a signal, without those of the package signal-exit. These do nothing while anybody else
 * listens. So they have done nothing yet when only they are left, and the signal is sent once more: then they
 * clean up, and end the process.
 */
function countApplicationListeners(signal: NodeJS.Signals): number {
  const all = process.listenerCount(signal)
  if (!SIGNALS_OF_SIGNAL_EXIT.has(signal)) return all
  // Where it keeps how many of its listeners each signal has: version 4, and the versions before it.
  const emitters: unknown[] = [
    Reflect.get(globalThis, Symbol.for('signal-exit emitter')),
    Reflect.get(process, '__signal_exit_emitter__'),
  ]
  return emitters.reduce<number>((left, emitter) => {
    const count = (emitter as { count?: unknown } | null | undefined)?.count
    return typeof count === 'number' && count > 0 ? left - count : left
  }, all)
}

/** The signals that each of its versions listens for on each system. */
const SIGNALS_OF_SIGNAL_EXIT: ReadonlySet<string> = new Set(['SIGHUP', 'SIGINT', 'SIGTERM'])

function stopListening(signal: NodeJS.Signals): void {
  storesOf.delete(signal)
  process.off(signal, onSignal)
}
