import { join } from 'node:path'
import { cross, type Benchmark, type Measure, type Metrics } from './lib/benchmark.js'
import { strategyOf } from './lib/filled.js'
import { open, snapshotsOnRequest } from './lib/forkstore.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { memoryOf } from './lib/process-memory.js'
import { keyOf, RandomIndex, recordOf, type Customer } from './lib/records.js'
import { startRedis } from './lib/redis.js'

/** One in so many records is set during the snapshot, at random. */
const oneIn = 10
/** Redis rests some 50 us after one key of so many, at random. */
const keysPerRest = 25
const steps = 50
const mostBytesPerRecord = 256
/** So that the snapshot is still being written when all are set: that a fork lets in takes some 10 s. */
const maxBytesPerSecond = 32 * 2 ** 20

export const benchmark: Benchmark = {
  name: 'peak',
  title:
    'memory of the server and its child while a snapshot is written and a tenth of the records are set at random',
  cases: (options) => cross(['forkstore', 'forkstore copy', 'redis'], [5_000_000], options),
  rounds: () => 1,
}

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    if (contender === 'redis') return { metrics: await peakOfRedis(folder, entries) }
    // A tenth of the records lies on nearly all pages: copies may take as much as a fork may.
    const maxCopiedBytes = entries * mostBytesPerRecord
    const snapshot = { ...snapshotsOnRequest(strategyOf(contender)), maxBytesPerSecond, maxCopiedBytes }
    const path = join(folder, 'store')
    const store = await open(path, { engine: options.engine, snapshot, durability: 'snapshot' })
    const map = store.map<string, Customer>('customers')
    for (let i = 0; i < entries; i++) {
      map.set(keyOf(i), recordOf(i))
      if (i % 1000 === 0) await turn()
    }
    await store.snapshot()
    await settle(2000)
    const metrics = await peakOf(process.pid, entries, () => store.snapshot(), {
      async set(indexes, version) {
        for (const [i, one] of indexes.entries()) {
          map.set(keyOf(one), recordOf(one, version))
          if (i % 200 === 0) await turn()
        }
      },
    })
    await store.close()
    return { metrics }
  })

async function peakOfRedis(folder: string, entries: number): Promise<Metrics> {
  const redis = await startRedis(folder, ['--rdb-key-save-delay', String(-keysPerRest)])
  try {
    await redis.fillRecords(entries)
    await redis.save()
    await settle(2000)
    const client = await redis.connect()
    const metrics = await peakOf(redis.pid, entries, () => redis.save(), {
      async set(indexes, version) {
        for (let from = 0; from < indexes.length; from += 200) {
          const pipeline = client.pipeline()
          for (const one of indexes.slice(from, from + 200)) {
            const { name, email, visits, active } = recordOf(one, version)
            pipeline.hset(keyOf(one), { name, email, visits, active: active ? '1' : '0' })
          }
          await pipeline.exec()
        }
      },
    })
    client.disconnect()
    return metrics
  } finally {
    await redis.stop()
  }
}

/** Who sets records of these numbers, and gets to its other work meanwhile. */
interface Setter {
  set(indexes: number[], version: number): Promise<void>
}

async function peakOf(
  pid: number,
  entries: number,
  save: () => Promise<unknown>,
  setter: Setter,
): Promise<Metrics> {
  const random = new RandomIndex(entries)
  const before = memoryOf(pid)
  let isRunning = true
  const saving = save().finally(() => (isRunning = false))
  saving.catch(() => undefined) // told at the end, when all is set
  let peak = before
  for (let step = 1; step <= steps; step++) {
    const indexes = Array.from({ length: entries / oneIn / steps }, () => random.next())
    await setter.set(indexes, step)
    peak = Math.max(peak, memoryOf(pid))
  }
  if (!isRunning) throw new Error('the snapshot had ended before all was set')
  while (isRunning) {
    await settle(100)
    peak = Math.max(peak, memoryOf(pid))
  }
  await saving
  return { beforeBytes: before, peakBytes: peak }
}
