/** Whether the operating system refused something, and (when told) for this reason. */
export function isSystemError(error: unknown, code?: string): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || typeof (error as NodeJS.ErrnoException).errno !== 'number') return false
  return code === undefined || (error as NodeJS.ErrnoException).code === code
}
