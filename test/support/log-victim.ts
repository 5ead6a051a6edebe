import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { copy, type OpenOptions } from '../../lib/index.js'
import { openEngine, type EngineName } from './engines.js'
// @ts-expect-error: plain JavaScript, shared with the programs that are killed
import { BATCH, stateAfter, treeAfter } from '../faults/model.mjs'

const program = fileURLToPath(new URL('../faults/log-victim.mjs', import.meta.url))

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`)
    await delay(1)
  }
}

/** A process of test/faults/log-victim.mjs, and what it has told. */
export class LogVictim {
  opened: number | undefined
  isClosed = false
  requested = 0
  acknowledged = 0
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  #rest = ''

  constructor(
    how: 'write' | 'open' | 'close' | 'give up' | 'salvage',
    engine: EngineName,
    directory: string,
    seed: number,
    environment: Record<string, string> = {},
  ) {
    const durability = seed % 2 === 0 ? 'everysec' : 'commit'
    this.child = spawn(process.execPath, [program, how, engine, directory, durability, String(seed + 1)], {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'inherit', 'inherit', 'pipe'],
    })
    const pipe = this.child.stdio[3] as NodeJS.ReadableStream
    pipe.on('data', (chunk: Buffer) => this.#read(chunk.toString()))
    // What it has told is in the pipe when it dies.
    this.ended = Promise.all([
      new Promise((resolve) => pipe.once('end', resolve)),
      new Promise((resolve) => this.child.once('exit', resolve)),
    ])
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) {
      const number = Number(line.slice(2))
      if (line[0] === 'o') this.opened = number
      if (line[0] === 'c') this.isClosed = true
      if (line[0] === 'r') this.requested = number
      if (line[0] === 'a') this.acknowledged = Math.max(this.acknowledged, number)
    }
  }
}

/** Opens what is left and compares it with the oracle; the number of writes that it holds. */
export async function checkLeftovers(
  engine: EngineName,
  directory: string,
  atLeast: number,
  atMost: number,
  options: OpenOptions = {},
): Promise<number> {
  const store = await openEngine(engine, directory, { snapshot: false, ...options })
  store.on('recovered', ({ skipped, log }) => {
    expect(skipped).toEqual([])
    if (options.recover === undefined) expect(log?.salvaged).toBe(undefined)
  })
  try {
    const map = store.map('state')
    const writes = (map.get('writes') ?? 0) as number
    expect(writes % BATCH).toBe(0)
    expect(writes).toBeGreaterThanOrEqual(atLeast)
    expect(writes).toBeLessThanOrEqual(atMost)
    expect([...map.entries()]).toEqual([...(stateAfter(writes) as Map<string, unknown>)])
    expect(copy(store.root)).toEqual(treeAfter(writes))
    expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([])
    return writes
  } finally {
    await store.close()
  }
}
