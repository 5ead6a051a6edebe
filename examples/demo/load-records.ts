import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ForkstoreMap } from 'forkstore'
import { newPackage, type Package } from './model.js'
import { packageName } from './names.js'

const RECORDS_A_TURN = 2_000
const PROGRESS_EVERY_MS = 100

/** Fills the map with `entries` records, a slice in each turn of the event loop. */
export async function loadRecords(
  packages: ForkstoreMap<string, Package>,
  entries: number,
  onProgress: (loaded: number, elapsedMs: number) => void,
): Promise<void> {
  const started = performance.now()
  let lastProgress = started
  for (let index = 0; index < entries; index++) {
    packages.set(packageName(index), newPackage(index))
    if (index % RECORDS_A_TURN !== 0) continue
    await nextTurn()
    const now = performance.now()
    if (now - lastProgress < PROGRESS_EVERY_MS) continue
    lastProgress = now
    onProgress(index, now - started)
  }
  onProgress(entries, performance.now() - started)
}
