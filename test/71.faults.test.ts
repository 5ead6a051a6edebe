// Every system call of the snapshot path failing in turn, once and for good: the promise rejects with a typed
// error or the snapshot is good; the old one stands; no temporary file stays; the next snapshot works.

import { fork, type ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { open } from '../lib/index.js'
import { Action, FaultPlan } from './support/shim.js'
// @ts-expect-error: plain JavaScript, shared with the programs that run under the shim
import { stateAfter } from './faults/model.mjs'

const base = mkdtempSync(join(tmpdir(), 'forkstore-faults-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

interface Answer {
  writes: number
  generation?: number
  code?: string
  cause?: string
  events?: number
}

class Subject {
  readonly plan = new FaultPlan()
  readonly #child: ChildProcess

  constructor(readonly directory: string) {
    const program = fileURLToPath(new URL('./faults/matrix.mjs', import.meta.url))
    this.#child = fork(program, [directory], {
      env: { ...process.env, ...this.plan.environment },
      execArgv: [],
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  ready(): Promise<unknown> {
    return this.#message()
  }

  snapshot(): Promise<Answer> {
    const answer = this.#message()
    this.#child.send('snapshot')
    return answer as Promise<Answer>
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.send('close')
    await closed
    this.plan.close()
  }

  #message(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onClose = (): void => {
        reject(new Error('the process under test has ended'))
      }
      this.#child.once('exit', onClose)
      this.#child.once('message', (message) => {
        this.#child.off('exit', onClose)
        resolve(message)
      })
    })
  }
}

/** What the directory holds, read through a copy, because the original is locked. */
async function checkOnDisk(directory: string, atLeast: number, atMost: number, call: string): Promise<void> {
  const copy = join(base, 'copy')
  rmSync(copy, { recursive: true, force: true })
  cpSync(directory, copy, { recursive: true })
  const store = await open(copy, { engine: 'native', snapshot: false, durability: 'snapshot' })
  const writes = store.map('state').get('writes') as number
  // A snapshot whose very last step failed, the sync of the directory, may be there all the same.
  if (writes !== atMost) expect([call, writes]).toEqual([call, atLeast])
  expect([...store.map('state').entries()]).toEqual([...(stateAfter(writes) as Map<string, unknown>)])
  await store.close()
}

// Calls without which there can be no snapshot: once they fail, it must fail.
const essential = new Set(['clone', 'pwritev', 'fsync', 'renameat', 'pipe2'])
// Calls that a signal can interrupt, and those that may do less than was asked for: to be continued. (What
// goes through the pipe is too short to be cut.)
const interruptible = new Set([
  'read',
  'write',
  'pwrite',
  'pwritev',
  'poll',
  'fallocate',
  'fsync',
  'waitid',
  'waitpid',
])
const shortened = new Set(['pwrite', 'pwritev'])

const calls = [
  ...essential,
  ...interruptible,
  'unlinkat',
  'openat',
  'madvise',
  'mmap',
  'sync_file_range',
  'statx',
]

/** Each call by name, at its first six turns. */
function* turns(): Generator<[call: string, nth: number]> {
  for (const call of new Set(calls)) for (let nth = 1; nth <= 6; nth++) yield [call, nth]
}

const cases = [
  ['EIO once', Action.failOnce, constants.errno.EIO],
  ['ENOSPC for good', Action.failForGood, constants.errno.ENOSPC],
  ['EAGAIN once', Action.failOnce, constants.errno.EAGAIN],
  ['ENOMEM for good', Action.failForGood, constants.errno.ENOMEM],
  ['EINTR once', Action.failOnce, constants.errno.EINTR],
  ['short once', Action.shortOnce, 0],
] as const

for (const [name, action, error] of cases) {
  test(`each call of a snapshot: ${name}`, async () => {
    const directory = join(base, name.replaceAll(' ', '-'))
    const subject = new Subject(directory)
    await subject.ready()
    let good = await subject.snapshot()
    expect(good.code).toBeUndefined()
    const struck = new Map<string, { failed: number; succeeded: number }>()
    const harmless =
      action === Action.shortOnce ? shortened : error === constants.errno.EINTR ? interruptible : new Set()
    for (const [wanted, nth] of turns()) {
      subject.plan.arm(action, nth, error, subject.pid, wanted)
      const answer = await subject.snapshot()
      const call = subject.plan.struck
      subject.plan.disarm()
      if (call === undefined) {
        // There are not so many calls of this name in a snapshot.
        expect(answer.code).toBeUndefined()
        good = answer
        continue
      }
      const count = struck.get(call) ?? { failed: 0, succeeded: 0 }
      struck.set(call, count)
      if (answer.code === undefined) {
        count.succeeded++
        good = answer
      } else {
        count.failed++
        expect(answer.code).toBe('ERR_FORKSTORE_SNAPSHOT_FAILED')
        expect(answer.cause).toMatch(/\w/)
        expect(answer.events).toBe(1)
      }
      if (harmless.has(call)) expect([call, answer.code, answer.cause]).toEqual([call, undefined, undefined])
      const left = readdirSync(directory).filter((file) => file.endsWith('.tmp'))
      if (!(call.startsWith('unlink') && action === Action.failForGood))
        expect([call, left]).toEqual([call, []])
      await checkOnDisk(directory, good.writes, answer.writes, call)

      const next = await subject.snapshot()
      expect([call, next.code, next.cause]).toEqual([call, undefined, undefined])
      good = next
    }
    await checkOnDisk(directory, good.writes, good.writes, 'none')
    await subject.close()

    expect([...struck.keys()]).toEqual(
      expect.arrayContaining(['clone', 'fsync', 'renameat', 'pwritev', 'mmap']),
    )
    if (action === Action.failForGood) {
      for (const [call, { succeeded }] of struck) {
        if (essential.has(call)) expect([call, succeeded]).toEqual([call, 0])
      }
    }
  }, 300_000)
}
