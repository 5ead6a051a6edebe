// The log fails again while it heals, just after it has healed, or whenever it tries to: it is tried until it
// works, unasked, also with `snapshot: false`, and what is left behind does not pile up.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openEngine } from './support/engines.js'
import { Program } from './support/program.js'
import { FaultPlan } from './support/shim.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-log-heal-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

interface Told {
  told: unknown[]
  snapshots: number
}

const failed = 'ERR_FORKSTORE_LOG_FAILED'

async function run(moment: string): Promise<Told> {
  const plan = new FaultPlan()
  const directory = join(base, moment.replaceAll(' ', '-'))
  const program = new Program('log-heal.mjs', [directory, moment], { env: plan.environment })
  const answer = await program.message<Told>()
  await program.end()
  expect(program.exitCode).toBe(0)
  plan.close()
  const store = await openEngine('native', directory, { snapshot: false })
  expect(store.map('m').get('last')).toBe(3)
  expect(store.map('m').get('second')).toBe(2)
  await store.close()
  return answer
}

test('it fails while it heals: the snapshot succeeds, and another one follows', async () => {
  const { told, snapshots } = await run('while healing')
  expect(told).toEqual([failed, failed, 'read-only', 'healthy', 'done'])
  expect(snapshots).toBeGreaterThan(1)
})

test('it fails just after it has healed, before anybody looked', async () => {
  const { told } = await run('after healing')
  expect(told).toEqual([failed, 'failed', 'healthy', 'done'])
})

test('healing fails again and again: the space of the log does not grow', async () => {
  const { told } = await run('again and again')
  // What has failed, what is tried, and what the next try may have made ready.
  expect(told).toEqual([failed, 'read-only', expect.any(Number), 'healthy', 'done'])
  expect(told[2]).toBeLessThanOrEqual(3 * 64)
})
