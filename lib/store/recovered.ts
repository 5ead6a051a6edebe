import type { Recovered } from '../base/types.js'

/** Says what opening had to leave behind, for the warning that the process gets where nobody listens. */
export function describeRecovered({
  generation,
  entries,
  skipped,
  identityRestored,
  log,
}: Recovered): string {
  const parts = skipped.map((each) => `generation ${each.generation} cannot be used: ${each.reason}`)
  if (identityRestored) parts.push('the identity file was damaged and was written anew')
  for (const { file, offset, bytes } of log?.cut ?? []) {
    parts.push(
      `${bytes} bytes at the end of the log were no whole batch and were cut: ${file}, from ${offset} on`,
    )
  }
  if (log?.salvaged !== undefined) {
    const { reason, copies } = log.salvaged
    parts.push(
      `the log is damaged, what comes before that was taken: ${reason}; copies: ${copies.join(', ')}`,
    )
  }
  return `${parts.join('; ')}; generation ${generation} with ${entries} entries was loaded`
}
