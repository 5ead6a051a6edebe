import { constants } from 'node:os'

/** What a signal closes. */
export interface Closing {
  /** Never rejects. */
  close(): Promise<void>
}

const waiting = new Map<NodeJS.Signals, Set<Closing>>()
const underWay = new Set<NodeJS.Signals>()

/**
 * Has the process close a store when a signal comes, and then end by that signal, as it would have done at
 * once; where somebody else listens for it as well, when to end is theirs to decide. A second signal of the
 * kind does not wait. One listener for each signal, however many the stores.
 */
export function closeOn(signal: NodeJS.Signals, store: Closing): void {
  let stores = waiting.get(signal)
  if (stores === undefined) {
    waiting.set(signal, (stores = new Set()))
    // Before the others, as one that listens once is gone when it is its turn.
    process.prependListener(signal, onSignal)
  }
  stores.add(store)
}

/** For a store that has been closed. */
export function notOn(signal: NodeJS.Signals, store: Closing): void {
  const stores = waiting.get(signal)
  // While others close, the listener is what keeps the signal from ending the process.
  if (stores?.delete(store) === true && stores.size === 0 && !underWay.has(signal)) stopListening(signal)
}

function onSignal(signal: NodeJS.Signals): void {
  if (underWay.has(signal)) return endBy(signal)
  underWay.add(signal)
  const stores = [...waiting.get(signal)!]
  const isOthers = process.listenerCount(signal) > 1
  void Promise.all(stores.map((store) => store.close())).then(() => endBy(signal, isOthers))
}

function endBy(signal: NodeJS.Signals, isOthers = false): void {
  underWay.delete(signal)
  stopListening(signal)
  if (isOthers || process.listenerCount(signal) > 0) return
  // The first process of a container: Linux drops every signal to it that nobody listens for.
  if (process.pid === 1) process.exit(128 + constants.signals[signal])
  process.kill(process.pid, signal)
}

function stopListening(signal: NodeJS.Signals): void {
  waiting.delete(signal)
  process.off(signal, onSignal)
}
