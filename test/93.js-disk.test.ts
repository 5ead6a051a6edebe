// forkstore/js on a disk that is simulated: each call of the system fails, once and for good; the power is
// cut after each.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { open } from '../lib/js.js'
import { disk } from '../lib/engines/js/disk/disk.js'
import { copy, ForkstoreError, type Store } from '../lib/index.js'
import {
  dataLeft,
  imageAfterPowerCut,
  SimulatedDisk,
  writeImage,
  type DataLeft,
  type Moment,
} from './support/simulated-disk.js'

const base = mkdtempSync(join(tmpdir(), 'forkstore-js-disk-'))
const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
let directories = 0
const newDirectory = (): string => join(base, String(directories++), 'data')

afterEach(() => {
  vi.restoreAllMocks()
  rmSync(base, { recursive: true, force: true })
})

/** Batch n makes all three what n says. */
interface Tree {
  n?: number
}

function writeBatch(store: Store<Tree>, n: number): void {
  const map = store.map<string, unknown>('m')
  store.transaction(() => {
    map.set('n', n)
    map.set(`text ${n % 3}`, `${n}, ${'some text '.repeat(n % 5)}`)
  })
  store.root.n = n
}

/** The batch that the state is the end of; it fails for any other state. */
function batchOf(store: Store<Tree>): number {
  const map = store.map<string, unknown>('m')
  const n = (map.get('n') ?? 0) as number
  expect(copy(store.root)).toEqual(n === 0 ? {} : { n })
  if (n > 0) expect(map.get(`text ${n % 3}`)).toBe(`${n}, ${'some text '.repeat(n % 5)}`)
  return n
}

/** What the application knows: which batches it has written, and of which it was told that they are on disk. */
class Application {
  written = 0
  acknowledged = 0
  readonly #path: string
  readonly #disk: SimulatedDisk

  constructor(path: string, simulated: SimulatedDisk) {
    this.#path = path
    this.#disk = simulated
  }

  /** Lives of stores, one after the other. Whatever fails must be a typed error, and go on where it can. */
  async run(lives: readonly ('closed' | 'killed')[]): Promise<void> {
    for (const end of lives) {
      const store = await this.#open()
      if (store === undefined) continue
      await this.#commit(store)
      // The second one ends while the first is being synced.
      await Promise.all([this.#commit(store), turn().then(() => this.#commit(store))])
      // Written while the snapshot begins, and while it is on its way to the disk.
      const snapshot = store.snapshot().catch(typed)
      await this.#commit(store)
      await snapshot
      await this.#commit(store)
      this.#write(store)
      if (end === 'killed') await this.#kill(store)
      else await this.#close(store)
    }
  }

  async #open(): Promise<Store<Tree> | undefined> {
    try {
      const store = await open<Tree>(this.#path, { snapshot: { everyMs: 0, afterWrites: 0 } })
      for (const event of ['warning', 'snapshot-error', 'recovered'] as const)
        store.on(event, () => undefined)
      const n = batchOf(store)
      expect(n).toBeGreaterThanOrEqual(this.acknowledged)
      expect(n).toBeLessThanOrEqual(this.written)
      this.written = n
      return store
    } catch (error) {
      typed(error)
      return undefined
    }
  }

  #write(store: Store<Tree>): boolean {
    try {
      writeBatch(store, this.written + 1)
      this.written++
      return true
    } catch (error) {
      expect((error as ForkstoreError).code).toBe('ERR_FORKSTORE_LOG_FAILED')
      return false
    }
  }

  async #commit(store: Store<Tree>): Promise<void> {
    if (!this.#write(store)) await store.snapshot().catch(typed) // tries again to heal
    const { written } = this
    await store.commit().then(
      () => (this.acknowledged = Math.max(this.acknowledged, written)),
      async (error: unknown) => {
        typed(error)
        await store.snapshot().catch(typed)
      },
    )
  }

  async #close(store: Store<Tree>): Promise<void> {
    const { written } = this
    await store.close().then(() => (this.acknowledged = written), typed)
  }

  async #kill(store: Store<Tree>): Promise<void> {
    await turn()
    this.#disk.isDead = true
    await store.close().catch(typed)
    this.#disk.isDead = false
  }
}

function typed(error: unknown): void {
  if (!(error instanceof ForkstoreError)) throw error
}

/** What must be found again: no less than the first batch, no more than the second. */
interface Expected {
  least: number
  most: number
}

async function expectBatch(path: string, { least, most }: Expected): Promise<void> {
  const store = await open<Tree>(path, { snapshot: false })
  store.on('recovered', () => undefined)
  const n = batchOf(store)
  await store.close()
  expect(n).toBeGreaterThanOrEqual(least)
  expect(n).toBeLessThanOrEqual(most)
}

/** Images of power cuts, each once. */
class Images {
  readonly #found = new Map<string, Expected & { image: Map<string, Buffer> }>()

  get size(): number {
    return this.#found.size
  }

  add(image: Map<string, Buffer>, { least, most }: Expected): void {
    const text = JSON.stringify([...image].sort().map(([name, bytes]) => [name, bytes.toString('latin1')]))
    const key = text.replace(/[0-9a-f]{8,}/g, 'id or checksum') // each run is of another store
    const same = this.#found.get(key)
    const both = same === undefined ? { least, most } : { least: Math.max(least, same.least), most: Math.min(most, same.most) } // prettier-ignore
    this.#found.set(key, { image, ...both })
  }

  /** Opens them all; twice, where what opening leaves shall be seen to open, too. */
  async check(times = 1): Promise<void> {
    vi.restoreAllMocks()
    withoutSyncs()
    for (const { image, least, most } of this.#found.values()) {
      const path = newDirectory()
      writeImage(path, image)
      const names = [...image.keys()].join(' ')
      for (let time = 0; time < times; time++) {
        await expectBatch(path, { least, most }).catch((error: unknown) => {
          throw new Error(`${least} to ${most}: ${names}: ${String(error)}`, { cause: error })
        })
      }
    }
  }
}

function withoutSyncs(): void {
  for (const call of ['fsyncSync', 'fdatasyncSync'] as const)
    vi.spyOn(disk, call).mockImplementation(() => undefined)
  for (const call of ['fsync', 'fdatasync'] as const)
    vi.spyOn(disk, call).mockImplementation(() => Promise.resolve())
}

function addPowerCuts(images: Images, moment: Moment, expected: Expected, left: readonly DataLeft[]): void {
  const count = moment.changes.length
  // None of the changes of names, all, and each alone.
  const choices: ((at: number) => boolean)[] = [() => false, () => true]
  for (let only = 0; only < count && count > 1; only++) choices.push((at) => at === only)
  for (const kept of choices) {
    for (const each of left) images.add(imageAfterPowerCut(moment, each, kept), expected)
  }
}

const calls = [
  'fdatasync',
  'fdatasyncSync',
  'fsync',
  'fsyncSync',
  'mkdirSync',
  'openSync',
  'renameSync',
  'unlink',
  'unlinkSync',
  'writeSync',
]

describe('forkstore/js on a simulated disk', () => {
  const run = async (
    prepare: (simulated: SimulatedDisk, application: Application) => void = () => undefined,
    lives: readonly ('closed' | 'killed')[] = ['closed', 'killed', 'closed'],
  ): Promise<{ path: string; simulated: SimulatedDisk; application: Application }> => {
    vi.restoreAllMocks()
    const path = newDirectory()
    const simulated = new SimulatedDisk(path)
    const application = new Application(path, simulated)
    prepare(simulated, application)
    await application.run(lives)
    simulated.onChange()
    return { path, simulated, application }
  }

  test('a power cut after any call: the end of a batch, none acknowledged is missing', async () => {
    const images = new Images()
    const { simulated, application } = await run((each, at) => {
      each.onChange = () => {
        addPowerCuts(images, each.moment(), { least: at.acknowledged, most: at.written + 1 }, dataLeft)
      }
    })
    expect([...new Set(simulated.calls)].sort()).toEqual(calls)
    expect(application.acknowledged).toBe(application.written)
    expect(images.size).toBeGreaterThan(200)
    await images.check(2)
  })

  test.each(['once', 'for good'])(
    'any call fails, %s: typed errors, and the end of a batch, none acknowledged is missing',
    async (how) => {
      const { simulated } = await run()
      const count = simulated.calls.length
      for (let failing = 1; failing <= count; failing++) {
        const { path, application } = await run((each) => {
          each.fails = (number) => (how === 'once' ? number === failing : number >= failing)
        })
        vi.restoreAllMocks()
        withoutSyncs()
        await expectBatch(path, { least: application.acknowledged, most: application.written }).catch(
          (error: unknown) => {
            throw new Error(`call ${failing}, ${simulated.calls[failing - 1]}: ${String(error)}`, { cause: error }) // prettier-ignore
          },
        )
      }
    },
  )

  test('a call fails, and then the power: what was acknowledged is on disk', async () => {
    // Fewer, since it is each call times each moment after it.
    const lives = ['killed', 'closed'] as const
    const { simulated } = await run(undefined, lives)
    const images = new Images()
    for (let failing = 1; failing <= simulated.calls.length; failing++) {
      await run((each, at) => {
        let least = -1
        each.fails = (number) => number === failing
        each.onChange = () => {
          // Before, it is as in the test above; and a write alone changes nothing of what is on disk for sure.
          const isNews = each.calls.at(-1) !== 'writeSync' || at.acknowledged > least
          if (each.calls.length < failing || !isNews) return
          least = at.acknowledged
          addPowerCuts(images, each.moment(), { least: at.acknowledged, most: at.written + 1 }, ['nothing'])
        }
      }, lives)
    }
    await images.check()
  })
})
