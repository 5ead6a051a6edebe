import { readFileSync } from 'node:fs'
import { vi } from 'vitest'
import type { SnapshotOptions, SnapshotResult, Store } from '../../lib/index.js'
import { disk } from '../../lib/engines/js/disk/disk.js'
import { makeDeferred } from '../../lib/base/deferred.js'
import { strategyUnderTest, type EngineName } from './engines.js'

export interface HeldSnapshot {
  taken: Promise<SnapshotResult>
  letGo: () => void
}

/**
 * A snapshot that is under way and stays so until it is let go: of the native engine its child is stopped (by 'copy'
 * it is slow: open the store with `slowest()`), of the JavaScript engine its sync waits. Another one, where the child was too quick to be stopped. Nothing may write to
 * the store meanwhile, and nothing else in this process may have a child.
 */
export function heldSnapshot(engine: EngineName, store: Store): Promise<HeldSnapshot> {
  if (engine === 'js') return heldSync(store)
  return strategyUnderTest().strategy === 'copy' ? slowThread(store) : heldChild(store)
}

/** As slow as can be asked for: a thread cannot be stopped alone. The store has more data than a MiB. */
export const slowest = (): SnapshotOptions =>
  strategyUnderTest().strategy === 'copy' ? { maxBytesPerSecond: 2 ** 20 } : {}

async function slowThread(store: Store): Promise<HeldSnapshot> {
  const taken = store.snapshot()
  while (store.stats().snapshot.bytesWritten === 0) await new Promise((done) => setImmediate(done))
  return { taken, letGo: () => undefined }
}

async function heldSync(store: Store): Promise<HeldSnapshot> {
  const { promise: begun, resolve: begin } = makeDeferred<undefined>()
  const { promise: isLetGo, resolve: letGo } = makeDeferred<undefined>()
  const real = disk.fsync
  const spy = vi.spyOn(disk, 'fsync').mockImplementation(async (file) => {
    begin(undefined)
    await isLetGo
    return real(file)
  })
  const taken = store.snapshot()
  await begun
  spy.mockRestore()
  return { taken, letGo: () => letGo(undefined) }
}

async function heldChild(store: Store): Promise<HeldSnapshot> {
  for (;;) {
    let isDone = false
    const taken = store.snapshot().finally(() => (isDone = true))
    let child: number | undefined
    while (child === undefined && !isDone) {
      await new Promise((done) => setImmediate(done))
      child = childOfThisThread()
    }
    if (child !== undefined && (await isStopped(child))) {
      return { taken, letGo: () => void process.kill(child, 'SIGCONT') }
    }
    await taken
  }
}

function childOfThisThread(): number | undefined {
  const [child] = readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').split(' ')
  return child === '' ? undefined : Number(child)
}

/** False: it has ended before. */
async function isStopped(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 'SIGSTOP')
    for (;;) {
      const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
      if (state === 'T' || state === 't') return true
      if (state === undefined || 'ZX'.includes(state)) return false
      await new Promise((done) => setImmediate(done))
    }
  } catch (error) {
    if (['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code!)) return false
    throw error
  }
}
