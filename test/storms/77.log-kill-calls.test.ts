// kill -9 at every instrumented call of a store that keeps a log: while it writes with snapshots going on,
// opens, closes, salvages, and gives the log up. What comes back is the state at the end of some batch, at or
// after the last acknowledged one, of a map and of the tree alike, and nothing of transactions that were
// taken back.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { crashCopy, editLog, logEnd, logFiles } from '../support/log-files.js'
import { checkLeftovers, delay, LogVictim, until } from '../support/log-victim.js'
import { Action, FaultPlan } from '../support/shim.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-log-kill-calls-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

// Every call of the log, and those of the snapshots that it goes with.
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
// A log that goes on, and one that is closed, never shortens a file.
const callsWhileWriting = calls.filter((call) => call !== 'ftruncate')

test('writing: killed at the first four of every instrumented call after a commit', async () => {
  const directory = join(base, 'instrumented')
  let held = 0
  const struck = new Set<string>()
  for (let round = 0; round < callsWhileWriting.length * 4; round++) {
    const call = callsWhileWriting[round % callsWhileWriting.length]!
    const nth = 1 + Math.floor(round / callsWhileWriting.length)
    const plan = new FaultPlan()
    const victim = new LogVictim('write', 'native', directory, round, plan.environment)
    await until(() => victim.acknowledged > held || !victim.isRunning, 'a first commit')
    expect(victim.isRunning).toBe(true)
    plan.arm(Action.killParent, nth, constants.errno.EIO, victim.child.pid ?? 0, call)
    // Each call comes once, however long that takes; there may be no more of it.
    const deadline = Date.now() + (nth === 1 ? 60_000 : 3000)
    while (victim.isRunning && Date.now() < deadline) await delay(1)
    if (plan.struck !== undefined) struck.add(call)
    victim.child.kill('SIGKILL')
    await victim.ended
    const atLeast = Math.max(victim.acknowledged, held)
    held = await checkLeftovers('native', directory, atLeast, Math.max(victim.requested, held))
    plan.close()
  }
  expect([...struck].sort()).toEqual([...callsWhileWriting].sort())
}, 600_000)

/** A store whose process was killed, twice; without preallocated space, since it will be copied. */
async function killedTwice(): Promise<{ directory: string; holds: number }> {
  const directory = join(mkdtempSync(join(base, 'template-')), 'data')
  let holds = 0
  for (let life = 0; life < 2; life++) {
    const victim = new LogVictim('close', 'native', directory, life)
    await until(() => victim.requested > 0 && victim.acknowledged === victim.requested, 'all commits')
    // It waits for a byte; the last acknowledgement of five batches.
    await until(() => victim.acknowledged === (victim.opened ?? 0) + 25, 'the last commit')
    victim.child.kill('SIGKILL')
    await victim.ended
    holds = victim.acknowledged
  }
  for (const name of logFiles('native', directory)) {
    const end = Math.ceil(logEnd(directory, name) / 8) * 8
    editLog(directory, name, (bytes) => bytes.subarray(0, end))
  }
  return { directory, holds }
}

/**
 * Kills a victim at the first call of each name, then at the second, and so on until it comes through;
 * `check` looks at what is left each time. Gives the names of the calls that there were.
 */
async function killEverywhere(
  how: 'open' | 'close' | 'give up' | 'salvage',
  template: string,
  check: (directory: string) => Promise<void>,
): Promise<string[]> {
  const struck = new Set<string>()
  const names = [...calls]
  const lane = async (): Promise<void> => {
    for (let call = names.pop(); call !== undefined; call = names.pop()) {
      for (let nth = 1; ; nth++) {
        const directory = crashCopy(template, base)
        const plan = new FaultPlan()
        const victim = new LogVictim(how, 'native', directory, 0, plan.environment)
        const pid = victim.child.pid ?? 0
        if (how === 'close') {
          await until(() => victim.acknowledged === (victim.opened ?? 0) + 25, 'the last commit')
        }
        // It has not loaded the addon yet, or waits.
        plan.arm(Action.killParent, nth, constants.errno.EIO, pid, call)
        victim.child.stdin?.on('error', () => undefined)
        victim.child.stdin?.end('!')
        await victim.ended
        const isStruck = plan.struck !== undefined
        const isThrough = how === 'close' ? victim.isClosed : victim.opened !== undefined
        // Struck by a call of a thread or of a child, it may still come through.
        expect(isStruck || isThrough, `${how}: neither killed at ${call} ${nth} nor through`).toBe(true)
        if (isStruck) struck.add(call)
        await check(directory)
        plan.close()
        rmSync(join(directory, '..'), { recursive: true })
        if (!isStruck) break
      }
    }
  }
  await Promise.all([lane(), lane(), lane()])
  return [...struck].sort()
}

test('opening with a log to replay: killed at every instrumented call', async () => {
  const { directory, holds } = await killedTwice()
  const last = logFiles('native', directory).at(-1)!
  editLog(directory, last, (bytes) => Buffer.concat([bytes, Buffer.alloc(100, 'torn')]))
  const struck = await killEverywhere('open', directory, async (left) => {
    await checkLeftovers('native', left, holds, holds)
  })
  expect(struck).toEqual(['fallocate', 'fdatasync', 'fsync', 'ftruncate', 'openat', 'pwrite', 'unlinkat'])
}, 600_000)

test('closing: killed at every instrumented call', async () => {
  const { directory, holds } = await killedTwice()
  const struck = await killEverywhere('close', directory, async (left) => {
    await checkLeftovers('native', left, holds + 25, holds + 25)
  })
  expect(struck).toEqual([...callsWhileWriting].sort())
}, 600_000)

test('giving up the log: killed at every instrumented call', async () => {
  const { directory, holds } = await killedTwice()
  let isWithLog = false
  const struck = await killEverywhere('give up', directory, async (left) => {
    isWithLog = !isWithLog
    await checkLeftovers('native', left, holds, holds, isWithLog ? {} : { durability: 'snapshot' })
  })
  expect(struck).toEqual([...calls].sort())
}, 600_000)

test('salvaging: killed at every instrumented call', async () => {
  const { directory } = await killedTwice()
  const name = logFiles('native', directory)[0]!
  editLog(directory, name, (bytes) => {
    bytes[4096 + Math.floor((bytes.length - 4096) / 2)]! ^= 1
    return bytes
  })
  const damaged = readFileSync(join(directory, name))
  const holds = await checkLeftovers('native', crashCopy(directory, base), 5, 20, { recover: 'salvage' })
  const struck = await killEverywhere('salvage', directory, async (left) => {
    await checkLeftovers('native', left, holds, holds, { recover: 'salvage' })
    const copies = readdirSync(left).filter((each) => each.startsWith(`${name}.damaged`))
    expect(copies.some((each) => readFileSync(join(left, each)).equals(damaged))).toBe(true)
    // Nothing is damaged any more.
    await checkLeftovers('native', left, holds, holds)
  })
  expect(struck).toEqual([...calls].sort())
}, 600_000)
