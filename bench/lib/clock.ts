/** Milliseconds on the clock of the machine (CLOCK_MONOTONIC), which all processes share. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
