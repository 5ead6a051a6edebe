import { ForkstoreError } from '../base/errors.js'

/**
 * What a view shows that cannot be read any more, since its store is closed or it was detached: every use
 * throws, but for one. Jest keeps what a failed assertion has compared, and copies it when the test has
 * ended, and with it, as a rule, the store; an error there ends the whole test file, the tests that have
 * passed included. By that time the message has been made, and nobody looks at the copy but reporters. No
 * step of the language tells such a copy from other uses, so it is told by the name of Jest's function on the
 * stack, and only where an error is about to be thrown anyway.
 */
const COPY_FOR_REPORTERS = /\bat (?:\S+ )?deepCyclicCopy/

/** Nothing, where Jest copies a view that could not be read; elsewhere the error goes on. */
export function goneOr<Nothing>(error: unknown, nothing: Nothing): Nothing {
  if (isGone(error) && isCopyForReporters()) return nothing
  throw error
}

function isGone(error: unknown): boolean {
  if (!(error instanceof ForkstoreError)) return false
  return error.code === 'ERR_FORKSTORE_CLOSED' || error.code === 'ERR_FORKSTORE_DETACHED'
}

function isCopyForReporters(): boolean {
  const here = { stack: '' }
  Error.captureStackTrace(here, goneOr)
  return COPY_FOR_REPORTERS.test(here.stack)
}
