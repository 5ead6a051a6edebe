// Every system call of the log failing in turn: nothing is acknowledged that is not on disk, the store heals by a
// snapshot or refuses writes until one succeeds, and then everything works again.

import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { LogStats } from '../lib/index.js'
import { openEngine } from './support/engines.js'
import { crashCopy } from './support/log-files.js'
import { Program } from './support/program.js'
import { Action, FaultPlan } from './support/shim.js'
// @ts-expect-error: plain JavaScript, shared with the programs that run under the shim
import { BATCH, stateAfter } from './faults/model.mjs'

const base = mkdtempSync(join(tmpdir(), 'forkstore-log-faults-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

interface Answer {
  writes: number
  /** The code with which the first write of the turn was refused. */
  refused?: string
  /** Of the failed commit() or snapshot(). */
  code?: string
  log: LogStats
  warnings: (string | undefined)[]
}

class Subject {
  readonly plan = new FaultPlan()
  readonly directory: string
  readonly #program: Program
  /** Writes of the last batch that was acknowledged. */
  acknowledged = 0
  readonly warnings: (string | undefined)[] = []

  constructor(name: string, durability = 'everysec') {
    this.directory = join(base, name)
    this.#program = new Program('log-matrix.mjs', [this.directory, durability], {
      env: this.plan.environment,
    })
  }

  get pid(): number {
    return this.#program.pid
  }

  async ready(): Promise<void> {
    await this.#program.message()
    expect((await this.ask('commit')).code).toBe(undefined)
  }

  async ask(command: 'write' | 'commit' | 'snapshot'): Promise<Answer> {
    const answer = await this.#program.ask<Answer>(command)
    if (command === 'commit' && answer.code === undefined) this.acknowledged = answer.writes
    // A snapshot of the same turn holds the turn's writes.
    if (command === 'snapshot' && answer.code === undefined) this.acknowledged = answer.writes
    this.warnings.push(...answer.warnings)
    return answer
  }

  /** Writes until the store is healthy again and acknowledges. */
  async heal(): Promise<Answer> {
    const deadline = Date.now() + 60_000
    for (;;) {
      const answer = await this.ask('commit')
      if (answer.refused !== undefined) expect(answer.refused).toBe('ERR_FORKSTORE_LOG_FAILED')
      if (answer.code === undefined && answer.refused === undefined && answer.log.state === 'healthy')
        return answer
      if (answer.code !== undefined) expect(answer.code).toBe('ERR_FORKSTORE_LOG_FAILED')
      if (Date.now() > deadline) throw new Error(`never healthy again: ${JSON.stringify(answer)}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** What a crash would leave at this moment: some batch, at or after the last acknowledged. */
  async check(): Promise<void> {
    const { acknowledged } = this
    const copy = crashCopy(this.directory)
    const store = await openEngine('native', copy, { snapshot: false })
    store.on('recovered', () => undefined)
    const map = store.map('state')
    const writes = map.get('writes') as number
    expect(writes % BATCH).toBe(0)
    expect(writes).toBeGreaterThanOrEqual(acknowledged)
    expect([...map.entries()]).toEqual([...(stateAfter(writes) as Map<string, unknown>)])
    await store.close()
    rmSync(join(copy, '..'), { recursive: true })
  }

  async close(): Promise<string | undefined> {
    const { code } = await this.#program.ask<{ code?: string }>('close')
    await this.#program.end()
    expect(this.#program.exitCode).toBe(0)
    this.plan.close()
    return code
  }
}

const { EIO, ENOSPC, EINTR, ENOMEM } = constants.errno
// Calls without which a batch does not get to disk.
const essential = ['pwrite', 'fdatasync']
// Those of a new segment, and of a snapshot that begins one and ends with a manifest.
// Calls that a signal can interrupt, and that may do less than was asked for: to be continued.
const continued = ['pwrite', 'fdatasync', 'fsync', 'fallocate']
const others = ['fallocate', 'openat', 'fsync', 'renameat', 'unlinkat']

const cases = [
  ['EIO once', Action.failOnce, EIO],
  ['ENOSPC once', Action.failOnce, ENOSPC],
  ['ENOMEM once', Action.failOnce, ENOMEM],
  ['EIO for good, then no more', Action.failForGood, EIO],
  ['EINTR once', Action.failOnce, EINTR],
  ['short once', Action.shortOnce, 0],
] as const

test.each(cases)(
  'the first calls of each name: %s',
  async (name, action, error) => {
    const subject = new Subject(name.replaceAll(/\W/g, '-'), name.startsWith('E') ? 'everysec' : 'commit')
    await subject.ready()
    const harmless = action === Action.shortOnce || error === EINTR
    const struck = new Set<string>()
    for (const call of [...essential, ...others]) {
      for (let nth = 1; nth <= (essential.includes(call) ? 3 : 2); nth++) {
        subject.warnings.length = 0
        subject.plan.arm(action, nth, error, subject.pid, call)
        const answers = [
          await subject.ask('commit'),
          await subject.ask('snapshot'),
          await subject.ask('commit'),
        ]
        if (subject.plan.struck !== undefined) struck.add(call)
        await subject.check()
        subject.plan.disarm()
        if (harmless && continued.includes(call)) {
          expect([call, nth, ...answers.map((answer) => answer.code ?? answer.refused)]).toEqual([call, nth, undefined, undefined, undefined]) // prettier-ignore
        }
        await subject.heal()
        // It was told, where there was something to tell.
        const isFailed = answers.some((answer) => answer.code === 'ERR_FORKSTORE_LOG_FAILED')
        if (isFailed) expect([call, nth, subject.warnings]).toEqual([call, nth, expect.arrayContaining(['ERR_FORKSTORE_LOG_FAILED'])]) // prettier-ignore
        await subject.check()
      }
    }
    expect(await subject.close()).toBe(undefined)
    expect([...struck].sort()).toEqual([...essential, ...others].sort())
  },
  300_000,
)

test('an fdatasync that fails once and then succeeds: the commit rejects, for what the disk has may be gone', async () => {
  const subject = new Subject('once')
  await subject.ready()
  for (let round = 0; round < 10; round++) {
    subject.plan.arm(Action.failOnce, 1, EIO, subject.pid, 'fdatasync')
    const answer = await subject.ask('commit')
    expect([subject.plan.struck, answer.code]).toEqual(['fdatasync', 'ERR_FORKSTORE_LOG_FAILED'])
    subject.plan.disarm()
    const { log } = await subject.heal()
    expect(log.state).toBe('healthy')
    await subject.check()
  }
  expect(await subject.close()).toBe(undefined)
})

test('nothing works: read-only, with reads; then everything works again', async () => {
  const subject = new Subject('read-only')
  await subject.ready()
  const before = (await subject.ask('commit')).writes
  // The log's writes, the manifest's, and those of new segments.
  subject.plan.arm(Action.failForGood, 1, EIO, subject.pid, 'pwrite')
  expect((await subject.ask('commit')).code).toBe('ERR_FORKSTORE_LOG_FAILED')
  let answer: Answer
  const deadline = Date.now() + 60_000
  do {
    answer = await subject.ask('write')
    await new Promise((resolve) => setTimeout(resolve, 20))
  } while (answer.refused === undefined && Date.now() < deadline)
  expect(answer).toMatchObject({ refused: 'ERR_FORKSTORE_LOG_FAILED', log: { state: 'read-only' } })
  expect((await subject.ask('commit')).code).toBe('ERR_FORKSTORE_LOG_FAILED')
  expect((await subject.ask('snapshot')).code).toBe('ERR_FORKSTORE_SNAPSHOT_FAILED')
  await subject.check()
  expect(subject.acknowledged).toBe(before)
  subject.plan.disarm()
  // Unasked: the store tries again on its own.
  const { writes } = await subject.heal()
  expect(writes).toBeGreaterThan(before)
  // Told once, whatever the number of attempts.
  expect(subject.warnings.filter((code) => code !== undefined)).toEqual(['ERR_FORKSTORE_LOG_FAILED'])
  await subject.check()
  expect(await subject.close()).toBe(undefined)
  const store = await openEngine('native', subject.directory)
  expect(store.map('state').get('writes')).toBe(subject.acknowledged)
  await store.close()
})

test('a snapshot that is asked for heals at once', async () => {
  const subject = new Subject('asked')
  await subject.ready()
  subject.plan.arm(Action.failForGood, 1, EIO, subject.pid, 'pwrite')
  for (let answer = await subject.ask('commit'); answer.refused === undefined; )
    answer = await subject.ask('write')
  subject.plan.disarm()
  expect((await subject.ask('snapshot')).code).toBe(undefined)
  expect(await subject.ask('commit')).toMatchObject({ log: { state: 'healthy' } })
  expect(await subject.close()).toBe(undefined)
})

test('closing while the disk refuses: an error, unless a snapshot saves everything', async () => {
  const saved = new Subject('close-saved')
  await saved.ready()
  saved.plan.arm(Action.failOnce, 1, EIO, saved.pid, 'fdatasync')
  const { writes } = await saved.ask('write')
  expect(await saved.close()).toBe(undefined)
  const store = await openEngine('native', saved.directory)
  expect(store.map('state').get('writes')).toBe(writes)
  await store.close()

  const lost = new Subject('close-lost')
  await lost.ready()
  lost.plan.arm(Action.failForGood, 1, EIO, lost.pid, 'pwrite')
  await lost.ask('write')
  expect(await lost.close()).toBe('ERR_FORKSTORE_LOG_FAILED')
})
