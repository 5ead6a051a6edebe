// Real data, large and uneven: all of MDN's browser compatibility data in the tree, beside a plain copy.

import { fork } from 'node:child_process'
import { deepStrictEqual } from 'node:assert'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { copy, open, type OpenOptions } from '../../lib/index.js'
import { engines, type EngineName } from '../support/engines.js'
// @ts-expect-error: plain JavaScript, shared with the program that is killed
import * as realData from '../faults/real-data.mjs'

type Data = Record<string, unknown>

const { change, readCompatibilityData } = realData as {
  change: (top: Data, n: number, copyOf: (part: unknown) => unknown) => void
  readCompatibilityData: () => Data
}

interface Root {
  bcd: Data
  changes: number
}

const CHANGES = 10_000
const base = mkdtempSync(join(tmpdir(), 'forkstore-real-data-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

function options(engine: EngineName): OpenOptions {
  return { engine, snapshot: false }
}

/** The order of members counts, too. */
function expectSameData(live: Data, plain: Data): void {
  const shown = copy(live)
  deepStrictEqual(shown, plain)
  expect(JSON.stringify(shown) === JSON.stringify(plain), 'in order').toBe(true)
}

describe.each(engines)('browser compatibility data, engine %s', (engine) => {
  test('is assigned in one statement, changed in 10,000 places while snapshots are taken, and reopened', async () => {
    const directory = join(base, `changed-${engine}`)
    const plain = readCompatibilityData()
    const store = await open<Root>(directory, options(engine))
    const { root } = store
    root.bcd = plain
    expectSameData(root.bcd, plain)

    const inJson = JSON.stringify(plain)
    expect(JSON.stringify(root.bcd) === inJson, 'read view by view').toBe(true)
    const snapshots: Promise<unknown>[] = []
    let running = false
    for (let n = 1; n <= CHANGES; n++) {
      change(plain, n, structuredClone)
      change(root.bcd, n, (part) => part)
      if (n % 50 !== 0) continue
      // Changes go on while a child writes the snapshot; several are taken, however slow the disk is.
      if (n % 2_000 === 0) await snapshots.at(-1)
      if (!running && n % (engine === 'js' ? 2_000 : 500) === 0) {
        running = true
        snapshots.push(store.snapshot().finally(() => (running = false)))
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(snapshots)
    expect(snapshots.length).toBeGreaterThan(3)
    expect(JSON.stringify(plain)).not.toBe(inJson)
    expectSameData(root.bcd, plain)
    await store.snapshot()
    await store.close()

    const again = await open<Root>(directory, options(engine))
    expectSameData(again.root.bcd!, plain)
    // What was loaded can be changed like what was assigned.
    for (let n = CHANGES; n < CHANGES + 200; n++) {
      change(plain, n, structuredClone)
      change(again.root.bcd!, n, (part) => part)
    }
    expectSameData(again.root.bcd!, plain)
    await again.close()
  }, 300_000)

  test('killed while it changes, it comes back as of an acknowledged snapshot or a later one', async () => {
    const directory = join(base, `killed-${engine}`)
    const plain = readCompatibilityData()
    let done = 0
    let progressed = 0
    for (let round = 0; round < (engine === 'js' ? 2 : 8); round++) {
      const { acknowledged, requested } = await runAndKill(directory, engine, round)

      const store = await open<Root>(directory, options(engine))
      const { bcd, changes } = store.root as Root
      expect(changes).toBeGreaterThanOrEqual(Math.max(done, acknowledged))
      expect(changes).toBeLessThanOrEqual(Math.max(done, requested))
      if (changes > done) progressed++
      while (done < changes) change(plain, ++done, structuredClone)
      expectSameData(bcd, plain)
      await store.close()
    }
    expect(progressed).toBeGreaterThan(1)
  }, 300_000)
})

async function runAndKill(
  directory: string,
  engine: EngineName,
  round: number,
): Promise<{ acknowledged: number; requested: number }> {
  const child = fork(
    fileURLToPath(new URL('../faults/real-data-victim.mjs', import.meta.url)),
    [directory, engine],
    {
      execArgv: [],
    },
  )
  const gone = once(child, 'exit')
  const seen = { opened: -1, acknowledged: 0, requested: 0 }
  child.on('message', (message) => Object.assign(seen, message))
  const deadline = Date.now() + 60_000
  while (seen.acknowledged === 0) {
    if (child.exitCode !== null) throw new Error(`the victim ended with ${child.exitCode}`)
    if (Date.now() > deadline) throw new Error('the victim takes no snapshot')
    await sleep(5)
  }
  await sleep(Math.random() * (round % 2 === 0 ? 50 : 500))
  child.kill('SIGKILL')
  await gone
  return seen
}
