// kill -9 at random moments and at every instrumented call of a store that keeps a log, snapshots going on: what
// comes back is the state at the end of some batch, at or after the last acknowledged one.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { openEngine, type EngineName } from './support/engines.js'
import { Action, FaultPlan } from './support/shim.js'
// @ts-expect-error: plain JavaScript, shared with the programs that are killed
import { BATCH, stateAfter } from './faults/model.mjs'

const victimPath = fileURLToPath(new URL('./faults/log-victim.mjs', import.meta.url))
const base = mkdtempSync(join(tmpdir(), 'forkstore-log-kill-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

class Victim {
  opened: number | undefined
  requested = 0
  acknowledged = 0
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  #rest = ''

  constructor(engine: EngineName, directory: string, seed: number, environment: Record<string, string> = {}) {
    const durability = seed % 2 === 0 ? 'everysec' : 'commit'
    this.child = spawn(process.execPath, [victimPath, engine, directory, durability, String(seed + 1)], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
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
      if (line[0] === 'r') this.requested = number
      if (line[0] === 'a') this.acknowledged = Math.max(this.acknowledged, number)
    }
  }
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`)
    await delay(1)
  }
}

/** Opens what is left and compares it with the oracle; the number of writes that it holds. */
async function checkLeftovers(
  engine: EngineName,
  directory: string,
  victim: Victim,
  held: number,
): Promise<number> {
  const store = await openEngine(engine, directory, { snapshot: false })
  store.on('recovered', ({ skipped, log }) => {
    expect(skipped).toEqual([])
    expect(log?.salvaged).toBe(undefined)
  })
  try {
    const map = store.map('state')
    const writes = (map.get('writes') ?? 0) as number
    expect(writes % BATCH).toBe(0)
    expect(writes).toBeGreaterThanOrEqual(Math.max(victim.acknowledged, held))
    expect(writes).toBeLessThanOrEqual(Math.max(victim.requested, held))
    expect([...map.entries()]).toEqual([...(stateAfter(writes) as Map<string, unknown>)])
    expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([])
    return writes
  } finally {
    await store.close()
  }
}

async function killAtRandom(engine: EngineName, directory: string, rounds: number): Promise<void> {
  let held = 0
  let acknowledged = 0
  for (let round = 0; round < rounds; round++) {
    const victim = new Victim(engine, directory, round)
    await until(() => victim.opened !== undefined || !victim.isRunning, 'the victim to open the store')
    expect(victim.opened).toBe(held)
    await delay(Math.random() * 80)
    victim.child.kill('SIGKILL')
    await victim.ended
    held = await checkLeftovers(engine, directory, victim, held)
    if (victim.acknowledged > 0) acknowledged++
  }
  expect(acknowledged).toBeGreaterThan(rounds / 3)
}

// Several at once: most of a round is waiting for a process to start.
const rounds = Number(process.env['FORKSTORE_KILL_ROUNDS'] ?? 50)
test.each(['native', 'js'] as const)(
  '%s: killed at random moments',
  async (engine) => {
    const count = engine === 'native' ? 4 : 2
    const lanes = Array.from({ length: count }, (_, lane) =>
      killAtRandom(engine, join(base, `${engine}-${lane}`), rounds),
    )
    await Promise.all(lanes)
  },
  600_000,
)

// Every call of the log, and those of the snapshots that it goes with; each at its first turns.
const calls = [
  'pwrite',
  'fdatasync',
  'fallocate',
  'openat',
  'fsync',
  'renameat',
  'unlinkat',
  'pwritev',
  'ftruncate',
]

test('killed at every instrumented call', async () => {
  const directory = join(base, 'instrumented')
  let held = 0
  const struck = new Set<string>()
  for (let round = 0; round < calls.length * 4; round++) {
    const call = calls[round % calls.length]!
    const nth = 1 + Math.floor(round / calls.length)
    const plan = new FaultPlan()
    const victim = new Victim('native', directory, round, plan.environment)
    await until(() => victim.acknowledged > held || !victim.isRunning, 'a first commit')
    expect(victim.isRunning).toBe(true)
    plan.arm(Action.killParent, nth, constants.errno.EIO, victim.child.pid ?? 0, call)
    const deadline = Date.now() + 1000
    while (victim.isRunning && Date.now() < deadline) await delay(1)
    if (plan.struck !== undefined) struck.add(call)
    victim.child.kill('SIGKILL')
    await victim.ended
    held = await checkLeftovers('native', directory, victim, held)
    plan.close()
  }
  expect([...struck]).toEqual(expect.arrayContaining(['pwrite', 'fdatasync', 'fallocate', 'openat', 'fsync', 'renameat', 'unlinkat'])) // prettier-ignore
}, 600_000)
