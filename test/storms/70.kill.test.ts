// kill -9 at random moments and at every instrumented call, of parent, child or both: what comes back is the
// state of a snapshot at or after the last acknowledged one, whole.

import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { open } from '../../lib/index.js'
import { Action, FaultPlan } from '../support/shim.js'
// @ts-expect-error: plain JavaScript, shared with the programs that are killed
import { stateAfter } from '../faults/model.mjs'

const victimPath = fileURLToPath(new URL('../faults/victim.mjs', import.meta.url))
const base = mkdtempSync(join(tmpdir(), 'forkstore-kill-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

interface Seen {
  opened: number | undefined
  requested: number
  acknowledged: number
  failures: string[]
}

function startVictim(directory: string, plan: FaultPlan, batch: number): { child: ChildProcess; seen: Seen } {
  const child = fork(victimPath, [directory, String(batch)], {
    env: { ...process.env, ...plan.environment },
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const seen: Seen = { opened: undefined, requested: 0, acknowledged: 0, failures: [] }
  child.on('message', (message: Record<string, number | string>) => {
    if (typeof message.opened === 'number') seen.opened = message.opened
    if (typeof message.requested === 'number') seen.requested = message.requested
    if (typeof message.acknowledged === 'number') seen.acknowledged = message.acknowledged
    if (typeof message.failed === 'string') seen.failures.push(message.failed)
  })
  return { child, seen }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else
      child.once('exit', () => {
        resolve()
      })
  })
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Opens what is left and compares it with the oracle; the number of writes that it holds. */
async function checkLeftovers(directory: string, seen: Seen, atLeast: number): Promise<number> {
  const store = await open(directory, { engine: 'native', snapshot: false, durability: 'snapshot' })
  try {
    const map = store.map('state')
    const writes = (map.get('writes') ?? 0) as number
    expect(writes).toBeGreaterThanOrEqual(Math.max(seen.acknowledged, atLeast))
    expect(writes).toBeLessThanOrEqual(Math.max(seen.requested, atLeast))
    expect([...map.entries()]).toEqual([...(stateAfter(writes) as Map<string, unknown>)])
    expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([])
    return writes
  } finally {
    await store.close()
  }
}

test('killed at random moments', async () => {
  const directory = join(base, 'random')
  let held = 0
  let progressed = 0
  for (let round = 0; round < 120; round++) {
    const plan = new FaultPlan()
    const { child, seen } = startVictim(directory, plan, 1 + (round % 40))
    await until(() => seen.opened !== undefined, 'the victim to open the store')
    expect(seen.opened).toBe(held)
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60))
    if (round % 3 > 0 && plan.child > 0) {
      try {
        process.kill(plan.child, 'SIGKILL')
      } catch {
        // It had left already.
      }
    }
    if (round % 3 < 2) child.kill('SIGKILL')
    else {
      // Only the snapshot child was killed: the store says so, and the next snapshot works.
      const before = seen.acknowledged
      await until(() => seen.acknowledged > before, 'a snapshot after the killed one')
      child.kill('SIGKILL')
    }
    await ended(child)
    const now = await checkLeftovers(directory, seen, held)
    if (now > held) progressed++
    held = now
    plan.close()
  }
  expect(progressed).toBeGreaterThan(20)
}, 600_000)

// Every call of the snapshot path, in the parent and in the child; each at its first five turns.
const calls = [
  'pipe2',
  'unlinkat',
  'openat',
  'clone',
  'fallocate',
  'pwritev',
  'fsync',
  'write',
  'read',
  'poll',
  'waitid',
  'renameat',
]

for (const [name, action] of [
  ['parent', Action.killParent],
  ['child', Action.killChild],
  ['both', Action.killBoth],
] as const) {
  test(`killed at every instrumented call: ${name}`, async () => {
    const directory = join(base, `instrumented-${name}`)
    let held = 0
    for (let round = 0; round < calls.length * 5; round++) {
      const call = calls[round % calls.length] as string
      const nth = 1 + Math.floor(round / calls.length)
      const plan = new FaultPlan()
      const { child, seen } = startVictim(directory, plan, 25)
      await until(() => seen.opened !== undefined, 'the victim to open the store')
      await until(() => seen.acknowledged > 0, 'a first snapshot')
      plan.arm(action, nth, constants.errno.EIO, child.pid ?? 0, call)
      await until(
        () => plan.struck !== undefined || child.exitCode !== null || child.signalCode !== null,
        `call ${nth} of ${call}`,
      )
      if (action === Action.killChild) {
        const before = seen.acknowledged
        await until(() => seen.acknowledged > before + 25, 'snapshots after the killed one')
        child.kill('SIGKILL')
      }
      await ended(child)
      held = await checkLeftovers(directory, seen, held)
      plan.close()
    }
  }, 600_000)
}
