// kill -9 at random moments of a store that keeps a log, snapshots going on: what comes back is the state at
// the end of some batch, at or after the last acknowledged one, of a map and of the tree alike, and nothing
// of transactions that were taken back.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { EngineName } from '../support/engines.js'
import { checkLeftovers, delay, LogVictim, until } from '../support/log-victim.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-log-kill-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

async function killAtRandom(engine: EngineName, directory: string, rounds: number): Promise<void> {
  let held = 0
  let acknowledged = 0
  for (let round = 0; round < rounds; round++) {
    const victim = new LogVictim('write', engine, directory, round)
    await until(() => victim.opened !== undefined || !victim.isRunning, 'the victim to open the store')
    expect(victim.opened).toBe(held)
    // From the beginning on, or from the first acknowledgement on: how long it takes to come is not known.
    if (round % 2 === 1) await until(() => victim.acknowledged > 0, 'a first commit')
    await delay(Math.random() * 80)
    victim.child.kill('SIGKILL')
    await victim.ended
    held = await checkLeftovers(
      engine,
      directory,
      Math.max(victim.acknowledged, held),
      Math.max(victim.requested, held),
    )
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
