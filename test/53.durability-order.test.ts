// Who is told what, and when: `Durability` over a log that does what the test says.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Durability } from '../lib/store/durability.js'
import type { Engine } from '../lib/contract/engine.js'
import type { EngineLog, LogState } from '../lib/contract/engine-log.js'
import { ForkstoreError } from '../lib/base/errors.js'
import { SnapshotScheduler } from '../lib/store/snapshot-scheduler.js'
import type { SnapshotResult } from '../lib/base/types.js'
import { expectRejection } from './support/expect.js'

vi.mock('../lib/base/timers.js', () => import('./support/global-timers.js'))

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

class FakeLog implements EngineLog {
  onProgress: () => void = () => undefined
  state: LogState = 'healthy'
  durableSequence = 0
  isBehind = false
  appendedBytes = 0
  failure: ForkstoreError | undefined
  refusesWrites = false
  sealed = 0
  isOpen = false
  readonly calls: string[] = []
  bufferedBytes = 0

  write(): void {
    this.isOpen = true
  }

  endBatch(sync: boolean): void {
    if (this.isOpen) this.sealed++
    this.isOpen = false
    this.calls.push(sync ? 'sync' : 'end')
  }

  sequenceToAwait(): number {
    return this.sealed + (this.isOpen ? 1 : 0)
  }

  hold(isHeld: boolean): void {
    this.calls.push(isHeld ? 'hold' : 'let go')
  }

  syncNow(): void {
    this.calls.push('sync now')
  }

  stats() {
    return {
      bufferedBytes: this.bufferedBytes,
      appendedBytes: 0,
      segments: 1,
      batches: 0,
      syncs: 0,
      stalls: 0,
      lastSyncMs: 0,
      longestSyncMs: 0,
    }
  }

  close(): Promise<void> {
    this.calls.push('close')
    if (this.failure !== undefined) return Promise.reject(this.failure)
    this.state = 'closed'
    return Promise.resolve()
  }

  become(state: LogState, durableSequence = this.durableSequence): void {
    this.state = state
    this.durableSequence = durableSequence
    const isFailed = state === 'failed' || state === 'healing' || state === 'read-only'
    this.failure = isFailed ? new ForkstoreError('ERR_FORKSTORE_LOG_FAILED', 'as the test says') : undefined
    this.onProgress()
  }
}

describe('durability', () => {
  let log: FakeLog
  /** How many calls of the log there had been. */
  let turnEnds: number[]
  let needs: boolean[]
  let warnings: Error[]

  beforeEach(() => {
    log = new FakeLog()
    turnEnds = []
    needs = []
    warnings = []
  })

  const make = (mode: 'everysec' | 'commit' = 'everysec'): Durability =>
    new Durability(log, mode, {
      isWithin: () => false,
      onExitWithinTransaction: () => undefined,
      onTurnEnd: () => turnEnds.push(log.calls.length),
      onLogged: () => undefined,
      onNeed: (isNeeded) => needs.push(isNeeded),
      onWarning: (warning) => warnings.push(warning),
    })
  const write = (durability: Durability): void => {
    log.write()
    durability.onWrite()
  }
  /** How promises stand after a while: resolved, rejected or neither. */
  const outcomes = async (promises: Promise<void>[]): Promise<string[]> => {
    const seen = promises.map(() => '-')
    promises.forEach((promise, at) => promise.then(() => (seen[at] = 'done'), () => (seen[at] = 'failed'))) // prettier-ignore
    await turn()
    return seen
  }

  test('what was waited for has been rolled back', async () => {
    const durability = make()
    write(durability)
    await turn()
    log.write()
    const taken = durability.commit()
    log.isOpen = false // as a rollback does
    const before = durability.commit()
    expect(await outcomes([taken, before])).toEqual(['-', '-'])
    expect(log.calls).toEqual(['end', 'hold', 'sync'])
    log.become('healthy', 1)
    expect(await outcomes([taken, before])).toEqual(['done', 'done'])
    expect(log.calls.at(-1)).toBe('let go')
    // Nothing is left to be told by the log.
    log.write()
    const last = durability.commit()
    log.isOpen = false
    expect(await outcomes([last])).toEqual(['done'])
    expect(log.calls.slice(-3)).toEqual(['hold', 'sync', 'let go'])
  })

  test('a batch ends with its turn, once, however much was written', async () => {
    const durability = make()
    for (let index = 0; index < 5; index++) write(durability)
    await Promise.resolve()
    expect(log.calls).toEqual([])
    await turn()
    expect(log.calls).toEqual(['end'])
    expect(turnEnds).toEqual([0])
    await turn()
    expect(log.calls).toEqual(['end'])
    write(durability)
    await turn()
    expect(log.calls).toEqual(['end', 'end'])
  })

  test('commit mode syncs each turn that wrote', async () => {
    const durability = make('commit')
    write(durability)
    await turn()
    await turn()
    expect(log.calls).toEqual(['sync'])
  })

  test('those who ask in one turn share a promise; the process stays alive for it', async () => {
    const durability = make()
    write(durability)
    const first = durability.commit()
    write(durability)
    expect(durability.commit()).toBe(first)
    await turn()
    expect(log.calls).toEqual(['hold', 'sync'])
    write(durability)
    const second = durability.commit()
    expect(second).not.toBe(first)
    log.become('healthy', 1)
    expect(await outcomes([first, second])).toEqual(['done', '-'])
    log.become('healthy', 2)
    expect(await outcomes([second])).toEqual(['done'])
    expect(log.calls).toEqual(['hold', 'sync', 'sync', 'let go'])
  })

  test('what is on disk needs no waiting', async () => {
    const durability = make()
    await durability.commit()
    write(durability)
    await turn()
    log.become('healthy', 1)
    await durability.commit()
    expect(log.calls).toEqual(['end'])
  })

  test('a failure: what was on disk before resolves, the rest rejects, a snapshot is needed, one warning', async () => {
    const durability = make()
    write(durability)
    const first = durability.commit()
    await turn()
    write(durability)
    const second = durability.commit()
    await turn()
    log.become('failed', 1)
    expect(await outcomes([first, second])).toEqual(['done', 'failed'])
    expect([needs, warnings]).toEqual([[true], [log.failure]])
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => durability.commit())
    expect(log.refusesWrites).toBe(false)
    log.become('failed')
    expect(warnings.length).toBe(1)
  })

  test('while it heals commits wait; healed, they resolve', async () => {
    const durability = make()
    write(durability)
    await turn()
    log.become('failed')
    log.become('healing')
    write(durability)
    const committed = durability.commit()
    expect(await outcomes([committed])).toEqual(['-'])
    log.become('healthy', 2)
    expect(await outcomes([committed])).toEqual(['done'])
    expect(needs).toEqual([true, false])
    log.become('failed')
    expect(warnings.length).toBe(2)
  })

  test('nothing helps: writes are refused from the next turn on, until it heals', async () => {
    const durability = make()
    log.become('failed')
    log.become('healing')
    write(durability)
    const committed = durability.commit()
    log.state = 'read-only'
    expect(durability.stats().state).toBe('failed')
    log.become('read-only')
    expect(durability.stats().state).toBe('read-only')
    expect(await outcomes([committed])).toEqual(['failed'])
    expect(log.refusesWrites).toBe(true)
    log.become('healing')
    expect([log.refusesWrites, durability.stats().state]).toEqual([true, 'read-only'])
    log.become('healthy', 5)
    expect(log.refusesWrites).toBe(false)
    await durability.commit()
    expect([needs, warnings.length]).toEqual([[true, true, false], 1])
  })

  test('a disk that is behind is told once, until it has caught up', async () => {
    const durability = make()
    log.isBehind = true
    log.bufferedBytes = 70 * 2 ** 20
    for (let turns = 0; turns < 3; turns++) {
      write(durability)
      await turn()
    }
    expect(warnings.map((warning) => warning.message)).toEqual([expect.stringContaining('70 MiB')])
    expect(durability.stats()).toMatchObject({ behind: true, bufferedBytes: 70 * 2 ** 20 })
    log.isBehind = false
    log.become('healthy')
    log.isBehind = true
    write(durability)
    await turn()
    expect(warnings.length).toBe(2)
  })

  test('close ends the batch and all waiting', async () => {
    const durability = make()
    write(durability)
    const committed = durability.commit()
    await durability.close()
    await committed
    expect(log.calls).toEqual(['hold', 'sync', 'close'])
    await turn()
    expect(log.calls).toEqual(['hold', 'sync', 'close'])
  })

  test('a close that fails rejects, and so do those who wait', async () => {
    const durability = make()
    write(durability)
    const committed = durability.commit()
    const outcome = outcomes([committed])
    log.failure = new ForkstoreError('ERR_FORKSTORE_LOG_FAILED', 'as the test says')
    await expectRejection('ERR_FORKSTORE_LOG_FAILED', () => durability.close())
    expect(await outcome).toEqual(['failed'])
  })

  test('the end of the process syncs the stores that are open', async () => {
    const durability = make()
    const listeners = process.listenerCount('exit')
    const other = new FakeLog()
    const closed = new Durability(other, 'everysec', {
      isWithin: () => false,
      onExitWithinTransaction: () => undefined,
      onTurnEnd: () => undefined,
      onLogged: () => undefined,
      onNeed: () => undefined,
      onWarning: () => undefined,
    })
    expect(process.listenerCount('exit')).toBe(listeners)
    await closed.close()
    // The listeners of others are not for this test to call.
    const ours = process.listeners('exit').at(-1)!
    ours(0)
    expect([log.calls, other.calls]).toEqual([
      ['end', 'sync now'],
      ['end', 'close'],
    ])
    await durability.close()
  })
})

describe('healing', () => {
  let log: FakeLog
  let ends: ((error?: Error) => void)[]
  let started: number

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    log = new FakeLog()
    ends = []
    started = 0
    const engine = {
      path: '/data',
      snapshot: () =>
        new Promise<SnapshotResult>((resolve, reject) => {
          started++
          if (log.state !== 'healthy') log.become('healing')
          ends.push((error) => (error === undefined ? resolve({} as SnapshotResult) : reject(error)))
        }),
    }
    const options = {
      everyMs: 0,
      afterWrites: 0,
      keep: 2,
      onClose: true,
      watchdogMs: 1000,
      strategy: 'auto',
    } as const
    const events = { onSnapshot: () => undefined, onFailure: () => undefined }
    // `snapshot: false`: whatever is taken is taken for the log's sake.
    const scheduler = new SnapshotScheduler(engine as unknown as Engine, options, false, events)
    new Durability(log, 'everysec', {
      isWithin: () => false,
      onExitWithinTransaction: () => undefined,
      onTurnEnd: () => undefined,
      onLogged: () => undefined,
      onNeed: (isNeeded) => scheduler.need(isNeeded),
      onWarning: () => undefined,
    })
  })

  afterEach(() => vi.useRealTimers())

  const pass = async (ms: number): Promise<void> => {
    await vi.advanceTimersByTimeAsync(ms)
    for (let turns = 0; turns < 3; turns++) await turn()
  }
  const end = async (error?: Error): Promise<void> => {
    ends.shift()!(error)
    await pass(0)
  }

  test('fails while it heals, and the snapshot succeeds all the same: tried until it is healthy', async () => {
    log.become('failed')
    await pass(0)
    expect(started).toBe(1)
    for (const [tries, seconds] of [1, 2, 4, 8].entries()) {
      log.become('read-only')
      await end()
      await pass(seconds * 1000 - 1)
      expect(started).toBe(tries + 1)
      await pass(1)
      expect(started).toBe(tries + 2)
    }
    log.become('healthy')
    await end()
    await pass(100_000)
    expect(started).toBe(5)
    // A new failure is a new beginning.
    log.become('failed')
    await pass(0)
    expect(started).toBe(6)
  })

  test('healthy and failed again before anybody looked: tried again', async () => {
    log.become('failed')
    await pass(0)
    expect(started).toBe(1)
    log.state = 'healthy'
    log.become('failed')
    await end()
    await pass(1000)
    expect(started).toBe(2)
    log.become('healthy')
    await end()
    await pass(100_000)
    expect(started).toBe(2)
  })

  test('the snapshot is told of before the health that it brought: not tried again', async () => {
    log.become('failed')
    await pass(0)
    await end()
    log.become('healthy')
    await pass(100_000)
    expect(started).toBe(1)
  })

  test('a need that arises during a snapshot is met by the next one, at once', async () => {
    log.become('failed')
    await pass(0)
    log.become('healthy')
    log.become('failed')
    await end()
    expect(started).toBe(2)
    log.become('healthy')
    await end()
    await pass(100_000)
    expect(started).toBe(2)
  })
})
