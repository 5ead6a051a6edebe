import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Engine } from '../lib/contract/engine.js'
import { IdleWork } from '../lib/store/idle-work.js'
import { SnapshotScheduler } from '../lib/store/snapshot-scheduler.js'
import type { SnapshotOptions, SnapshotResult } from '../lib/base/types.js'

vi.mock('../lib/base/timers.js', () => import('./support/global-timers.js'))

/** An engine whose snapshots end when the test says so. */
class FakeEngine {
  path: string | undefined = '/data'
  started = 0
  idleCalls = 0
  /** How large the store is, and how often that was asked. */
  size = { items: 1, bytes: 0 }
  asked = 0
  idleSteps = 0
  #ends: ((error?: Error) => void)[] = []

  snapshot(): Promise<SnapshotResult> {
    const generation = ++this.started
    return new Promise((resolve, reject) => {
      this.#ends.push((error) =>
        error === undefined ? resolve({ generation } as SnapshotResult) : reject(error),
      )
    })
  }

  weight(): typeof this.size {
    this.asked++
    return this.size
  }

  idle(): boolean {
    this.idleCalls++
    return this.idleSteps-- <= 0
  }

  /** Ends the oldest running one, and lets what follows from it happen. */
  async end(error?: Error): Promise<void> {
    this.#ends.shift()!(error)
    await turn()
  }
}

/** Whatever was left to the next turn is done. */
async function turn(): Promise<void> {
  await new Promise((done) => setImmediate(done))
  await new Promise((done) => setImmediate(done))
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  await turn()
}

const defaults = {
  everyMs: 0,
  afterWrites: 0,
  keep: 2,
  onClose: true,
  watchdogMs: 1000,
  strategy: 'auto' as const,
}

describe('scheduler', () => {
  let engine: FakeEngine
  let results: SnapshotResult[]
  let errors: Error[]

  beforeEach(() => {
    // Immediates stay real.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    engine = new FakeEngine()
    results = []
    errors = []
  })

  afterEach(() => vi.useRealTimers())

  const make = (options: SnapshotOptions = {}, isAutomatic = true): SnapshotScheduler =>
    new SnapshotScheduler(engine as unknown as Engine, { ...defaults, ...options }, isAutomatic, {
      onSnapshot: (result) => results.push(result),
      onFailure: (error) => errors.push(error),
    })
  test('never starts within the turn that asks', async () => {
    const scheduler = make()
    void scheduler.request()
    await Promise.resolve()
    expect(engine.started).toBe(0)
    await turn()
    expect(engine.started).toBe(1)
    expect(scheduler.isRunning).toBe(true)
    await engine.end()
    expect(scheduler.isRunning).toBe(false)
  })

  test('one at a time; all who ask while one runs share the following', async () => {
    const scheduler = make()
    const first = scheduler.request()
    expect(scheduler.request()).toBe(first)
    await turn()
    const second = scheduler.request()
    expect(second).not.toBe(first)
    expect(scheduler.request()).toBe(second)
    await turn()
    expect(engine.started).toBe(1)
    await engine.end()
    expect(engine.started).toBe(2)
    await engine.end()
    expect([(await first).generation, (await second).generation]).toEqual([1, 2])
    await pass(100_000)
    expect(engine.started).toBe(2)
  })

  test('the interval asks only when something was written, and not for what the running one holds', async () => {
    const scheduler = make({ everyMs: 1000 })
    await pass(5000)
    expect(engine.started).toBe(0)
    scheduler.onWrite()
    await pass(1000)
    expect(engine.started).toBe(1)
    await pass(5000)
    await engine.end()
    await pass(5000)
    expect(engine.started).toBe(1)
    scheduler.onWrite()
    await pass(1000)
    scheduler.onWrite() // while it runs
    await pass(1000)
    await engine.end()
    expect(engine.started).toBe(3)
  })

  test('without a number, so many writes as the store is large ask for a snapshot', async () => {
    const { afterWrites: _, ...rest } = defaults
    const scheduler = new SnapshotScheduler(engine as unknown as Engine, rest, true, {
      onSnapshot: () => undefined,
      onFailure: () => undefined,
    })
    const write = async (count: number): Promise<number> => {
      for (let n = 0; n < count; n++) scheduler.onWrite()
      await turn()
      return engine.started
    }
    expect(await write(99_999)).toBe(0)
    expect(await write(1)).toBe(1)
    await engine.end()
    engine.size = { items: 250_000, bytes: 0 }
    expect(await write(249_999)).toBe(1)
    expect(await write(1)).toBe(2)
    await engine.end()
    expect(engine.asked).toBeLessThan(10) // not with each write
    await scheduler.finish()
  })

  test('so many bytes of log ask for a snapshot, by default as many as the data has', async () => {
    const MIB = 2 ** 20
    const scheduler = make({})
    const log = async (mib: number): Promise<number> => {
      scheduler.onWrite()
      scheduler.onLogged(mib * MIB)
      await turn()
      return engine.started
    }
    scheduler.onReplayed(10, 10 * MIB)
    expect(await log(21)).toBe(0)
    expect(await log(22)).toBe(1) // with what opening found
    await engine.end()
    engine.size = { items: 2, bytes: 100 * MIB }
    expect(await log(121)).toBe(1)
    expect(await log(122)).toBe(2)
    await engine.end()
    await scheduler.finish()
  })

  test.each([
    [0, 0],
    [5, 2],
  ])('everyLogBytes: %i', async (everyLogBytes, started) => {
    const scheduler = make({ everyLogBytes })
    let ended = 0
    for (const bytes of [4, 5, 9, 10]) {
      scheduler.onWrite()
      scheduler.onLogged(bytes)
      await turn()
      while (ended < engine.started) {
        ended++
        await engine.end()
      }
    }
    expect(engine.started).toBe(started)
    await scheduler.finish()
  })

  test('the write counter starts anew with each snapshot', async () => {
    const scheduler = make({ afterWrites: 10 })
    for (let count = 0; count < 9; count++) scheduler.onWrite()
    void scheduler.request()
    await turn()
    await engine.end()
    for (let count = 0; count < 9; count++) scheduler.onWrite()
    await turn()
    expect(engine.started).toBe(1)
    scheduler.onWrite()
    await turn()
    expect(engine.started).toBe(2)
    for (let count = 0; count < 100; count++) scheduler.onWrite()
    await turn()
    expect(engine.started).toBe(2) // one is running
    await engine.end()
    expect(engine.started).toBe(3) // one followed, for the hundred
    await engine.end()
    expect(engine.started).toBe(3)
  })

  test('failures are tried again, ever later, up to everyMs', async () => {
    const scheduler = make({ everyMs: 5000 })
    scheduler.onWrite()
    await pass(5000)
    for (const [count, delayMs] of [1000, 2000, 4000, 5000, 5000].entries()) {
      expect(engine.started).toBe(count + 1)
      await engine.end(new Error('no space'))
      expect(scheduler.failures).toBe(count + 1)
      await pass(delayMs - 1)
      expect(engine.started).toBe(count + 1)
      await pass(1)
    }
    expect(errors.map((error) => error.message)).toEqual(
      Array<string>(5).fill('the snapshot failed: no space'),
    )
    await engine.end()
    expect(scheduler.failures).toBe(0)
    await pass(60_000)
    expect(engine.started).toBe(6)
  })

  test('the first automatic failure since a success is news, and one that was asked for never', async () => {
    const news: boolean[] = []
    const options = { ...defaults, everyMs: 1000 }
    const scheduler = new SnapshotScheduler(engine as unknown as Engine, options, true, {
      onSnapshot: () => undefined,
      onFailure: (_error, isNews) => news.push(isNews),
    })
    scheduler.request().catch(() => undefined)
    await turn()
    await engine.end(new Error('no space'))
    scheduler.onWrite()
    for (const outcome of [new Error('no space'), new Error('no space'), undefined]) {
      await pass(1000)
      await engine.end(outcome)
    }
    expect(news).toEqual([false, true, false])
    scheduler.onWrite()
    await pass(1000)
    await engine.end(new Error('no space'))
    expect(news).toEqual([false, true, false, true])
    await scheduler.finish()
  })

  test('without everyMs, up to a minute', async () => {
    const scheduler = make({ afterWrites: 1 })
    scheduler.onWrite()
    await turn()
    for (let seconds = 1; seconds < 200; seconds *= 2) {
      await engine.end(new Error('no space'))
      const { started } = engine
      scheduler.onWrite() // no attempt for each write while a retry is due
      await turn()
      expect(engine.started).toBe(started)
      await pass(Math.min(seconds, 60) * 1000)
      expect(engine.started).toBe(started + 1)
    }
  })

  test('a request does not wait for the retry, and rejects with its own failure', async () => {
    const scheduler = make({ afterWrites: 1 })
    scheduler.onWrite()
    await turn()
    await engine.end(new Error('first'))
    const asked = scheduler.request()
    asked.catch(() => undefined)
    await turn()
    expect(engine.started).toBe(2)
    const cause = new Error('second')
    await engine.end(cause)
    await expect(asked).rejects.toMatchObject({ code: 'ERR_FORKSTORE_SNAPSHOT_FAILED', cause })
  })

  test('without automatic snapshots there is no retry', async () => {
    const scheduler = make({ everyMs: 1000, afterWrites: 1 }, false)
    scheduler.onWrite()
    await pass(10_000)
    expect(engine.started).toBe(0)
    const asked = scheduler.request()
    asked.catch(() => undefined)
    await turn()
    await engine.end(new Error('no space'))
    await pass(100_000)
    expect(engine.started).toBe(1)
    expect(scheduler.isDirty).toBe(true)
  })

  test('finish tells how the last that it waited for ended', async () => {
    const scheduler = make()
    const failure = new Error('no')
    expect(await scheduler.finish()).toBeUndefined()
    const first = scheduler.request().catch((error: unknown) => error)
    await turn()
    const finished = scheduler.finish()
    await engine.end(failure)
    expect(await finished).toBe(await first)
    // Waited for by nobody.
    expect(await scheduler.finish()).toBeUndefined()
    for (const last of [failure, undefined]) {
      const running = scheduler.request().catch((error: unknown) => error)
      await turn()
      const next = scheduler.request().catch((error: unknown) => error)
      const both = scheduler.finish()
      await engine.end(last === undefined ? failure : undefined)
      await engine.end(last)
      await running
      const [told, outcome] = [await both, await next]
      expect(told).toBe(last === undefined ? undefined : outcome)
    }
  })

  test('finish waits for what runs and what was asked for, and ends the triggers', async () => {
    const scheduler = make({ everyMs: 1000 })
    void scheduler.request()
    await turn()
    const asked = scheduler.request()
    asked.catch(() => undefined)
    let isFinished = false
    void scheduler.finish().then(() => (isFinished = true))
    await engine.end()
    expect(isFinished).toBe(false)
    await engine.end(new Error('no space'))
    expect(isFinished).toBe(true)
    scheduler.onWrite()
    await pass(100_000)
    expect(engine.started).toBe(2)
  })

  test('idle work goes on in steps until there is none, and begins again with the next write', async () => {
    engine.idleSteps = 10
    const work = new IdleWork(engine as unknown as Engine)
    await pass(1000)
    expect(engine.idleCalls, 'what was there when the store was opened').toBe(11)
    engine.idleSteps = 10
    work.wake()
    work.wake()
    await pass(1000)
    expect(engine.idleCalls).toBe(22)
    work.wake()
    await pass(1000)
    expect(engine.idleCalls).toBe(23)
    engine.idleSteps = 1000
    work.wake()
    await pass(100)
    work.stop()
    const { idleCalls } = engine
    await pass(1000)
    work.wake()
    await pass(1000)
    expect(engine.idleCalls).toBe(idleCalls)
  })
})
