// The snapshot child beside a living application: connections, signals, hanging, being killed.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Program } from './support/program.js'
import { Action, FaultPlan } from './support/shim.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-child-'))
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
})

interface Outcome {
  done: boolean
  code?: string
  cause?: string
  copiedBytes?: number
}

/** A server whose next snapshot child is stopped as soon as it is seen, until it is told to go on. */
class Server {
  readonly plan = new FaultPlan()
  readonly program: Program
  readonly directory: string

  constructor(name: string, watchdogMs: number) {
    this.directory = join(base, name)
    this.program = new Program('server.mjs', [this.directory, String(watchdogMs)], {
      env: this.plan.environment,
      detached: true,
    })
  }

  /** Starts a snapshot whose child goes on to its first call and no further, until the plan lets go; its pid. */
  async heldChild(): Promise<number> {
    const before = this.plan.child
    this.plan.holdChild(this.program.pid)
    this.program.child.send('snapshot')
    while (this.plan.child === before) await new Promise((resolve) => setImmediate(resolve))
    return this.plan.child
  }

  /** Starts a snapshot and stops its child; the child's pid. */
  async stoppedChild(): Promise<number> {
    const pid = await this.heldChild() // else it may have ended before it is seen
    process.kill(pid, 'SIGSTOP')
    while (!/^State:\s+[Tt]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.plan.letGo()
    return pid
  }

  async end(): Promise<void> {
    await this.program.end()
    this.plan.close()
  }
}

test('a connection that the parent closes while a child lives is closed at once', async () => {
  const server = new Server('fin', 30_000)
  const { port } = await server.program.message<{ port: number }>()
  const socket = connect(port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  while ((await server.program.ask<{ sockets: number }>('count sockets')).sockets === 0);
  const child = await server.heldChild()
  // It goes on until it holds its own alone, and what it opens only then.
  while (readdirSync(`/proc/${child}/fd`).length > 3) await new Promise((resolve) => setImmediate(resolve))
  const gone = new Promise((resolve) => socket.once('close', resolve))
  expect(await server.program.ask('close sockets')).toEqual({ closed: 1 })
  socket.resume()
  await gone
  server.plan.letGo()
  expect(await server.program.message<Outcome>()).toMatchObject({ done: true })
  await server.end()
})

test.each([
  ['SIGINT', 'signals', { SIGINT: 1, SIGTERM: 0 }],
  ['SIGTERM', 'terminated', { SIGINT: 0, SIGTERM: 1 }],
] as const)('%s to the process group: the application handles it once, the child goes on', async (signal, name, handled) => {
  const server = new Server(name, 30_000)
  await server.program.message()
  const child = await server.stoppedChild()
  process.kill(-server.program.pid, signal)
  process.kill(child, 'SIGCONT')
  expect(await server.program.message<Outcome>()).toMatchObject({ done: true })
  expect(await server.program.ask('handled')).toMatchObject(handled)
  await server.end()
}) // prettier-ignore

test('where a process must have an exit signal, a handler of SIGCHLD hears of it, and the snapshot is taken', async () => {
  const server = new Server('exit-signal', 30_000)
  await server.program.message()
  server.plan.arm(Action.failOnce, 1, constants.errno.EINVAL, server.program.pid, 'clone')
  expect(await server.program.ask<Outcome>('snapshot')).toMatchObject({ done: true })
  expect(server.plan.struck).toBe('clone')
  server.plan.disarm()
  expect(await server.program.ask('handled')).toEqual({ SIGINT: 0, SIGTERM: 0, SIGCHLD: 1 })
  await server.end()
})

test('no SIGCHLD handler of the application hears of a snapshot', async () => {
  const server = new Server('sigchld', 30_000)
  await server.program.message()
  for (let i = 0; i < 5; i++)
    expect(await server.program.ask<Outcome>('snapshot')).toMatchObject({ done: true })
  expect(await server.program.ask('handled')).toEqual({ SIGINT: 0, SIGTERM: 0, SIGCHLD: 0 })
  await server.end()
})

test('a child that hangs is killed by the watchdog; the next snapshot works', async () => {
  const server = new Server('watchdog', 3000)
  await server.program.message()
  await server.heldChild()
  const outcome = await server.program.message<Outcome>()
  expect(outcome).toMatchObject({ done: false, code: 'ERR_FORKSTORE_SNAPSHOT_FAILED' })
  expect(readdirSync(server.directory).filter((name) => name.endsWith('.tmp'))).toEqual([])
  server.plan.letGo()
  expect(await server.program.ask<Outcome>('snapshot')).toMatchObject({ done: true })
  await server.end()
})

test('a child that is killed: a typed error that names the signal; the next snapshot works', async () => {
  const server = new Server('killed', 30_000)
  await server.program.message()
  const child = await server.stoppedChild()
  process.kill(child, 'SIGKILL')
  const outcome = await server.program.message<Outcome>()
  expect(outcome).toMatchObject({ done: false, code: 'ERR_FORKSTORE_SNAPSHOT_FAILED' })
  expect(outcome.cause).toMatch(/signal 9|SIGKILL/)
  expect(readdirSync(server.directory).filter((name) => name.endsWith('.tmp'))).toEqual([])
  expect(await server.program.ask<Outcome>('snapshot')).toMatchObject({ done: true })
  await server.end()
})

test('copiedBytes counts what the parent changes while the child lives, and little else', async () => {
  const server = new Server('copied', 30_000)
  await server.program.message()
  const idle = await server.program.ask<Outcome>('snapshot')
  const child = await server.stoppedChild()
  // Each 10th of 100,000 records of about 100 bytes: nearly every page of some 12 MB.
  await server.program.ask({ touch: 10 })
  process.kill(child, 'SIGCONT')
  const busy = await server.program.message<Outcome>()
  expect(busy.copiedBytes).toBeGreaterThan(5_000_000)
  expect(busy.copiedBytes).toBeLessThan(60_000_000)
  expect(idle.copiedBytes).toBeLessThan(1_000_000)
  await server.end()
})

test('closing while a snapshot runs waits for it', async () => {
  const server = new Server('closing', 30_000)
  await server.program.message()
  expect(await server.program.ask('close store')).toEqual({ closedStore: 'saved' })
  await server.end()
})
