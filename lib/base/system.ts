import { types } from 'node:util'

/** Whether the operating system refused something, and (when told) for this reason. */
export function isSystemError(error: unknown, code?: string): error is NodeJS.ErrnoException {
  if (!types.isNativeError(error) || typeof (error as NodeJS.ErrnoException).errno !== 'number') return false
  return code === undefined || (error as NodeJS.ErrnoException).code === code
}

/** Whether the operating system has run out of something that it may have again: descriptors, memory. */
export function isShortage(error: unknown): error is NodeJS.ErrnoException {
  return ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'].some((code) => isSystemError(error, code))
}
