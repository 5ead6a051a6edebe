import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { median } from './statistics.js'

/** What figures depend on, and no more: enough to compare two runs. */
export function environment(): Record<string, string | number> {
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    platform: `${process.platform}-${process.arch}`,
    kernel: release().split('.').slice(0, 2).join('.'),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  }
}

/**
 * The share of all cores' time that is in use while this process does nothing: what others take, and what
 * the figures would be wrong by.
 */
export async function busyShare(): Promise<number> {
  const before = coreTimes()
  await sleep(500)
  const after = coreTimes()
  return 1 - (after.idle - before.idle) / (after.all - before.all)
}

function coreTimes(): { idle: number; all: number } {
  let idle = 0
  let all = 0
  for (const { times } of cpus()) {
    idle += times.idle
    all += times.idle + times.irq + times.nice + times.sys + times.user
  }
  return { idle, all }
}

/** A new folder inside `directory`, removed when `use` is over. */
export async function withFolder<T>(directory: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(directory, 'forkstore-bench-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A full garbage collection; needs --expose-gc. */
export function collect(): void {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc')
  globalThis.gc()
}

/** Milliseconds of a full collection: the median of seven. */
export function timeOfFullCollection(): number {
  const times: number[] = []
  for (let i = 0; i < 7; i++) {
    const start = performance.now()
    collect()
    times.push(performance.now() - start)
  }
  return median(times)
}

/** Time for what a contender does between turns of the event loop, then a clean heap. */
export async function settle(milliseconds = 100): Promise<void> {
  await sleep(milliseconds)
  collect()
  await sleep(milliseconds / 2)
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
