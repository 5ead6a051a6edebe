import { names, openCommitter, type Committer } from './committers/committer.js'
import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { assertRealDisk, BareAppender, flushesOf } from './lib/disk.js'
import { settle, withFolder } from './lib/machine.js'
import { keyOf, RandomIndex, recordOf } from './lib/records.js'
import { maximum, newHistogram, percentile, record } from './lib/statistics.js'

/**
 * Writes of one record that are on disk when they are answered. One writer, then 64 at once, and the disk's own
 * write and fdatasync of as many bytes take turns of a fraction of a second in one process, so that a slow
 * moment of the disk is one for all.
 */
export const benchmark: Benchmark = {
  name: 'commit',
  title: 'a record that is on disk when its write is answered: one writer, 64 at once, and the bare disk',
  cases: (options) => cross(names, [100_000], options),
  rounds: () => 3,
}

const writers = 64
const turns = 20
const bareMs = 100
const oneWriterMs = 200
const manyWritersMs = 200

/** What forkstore appends for a record; measured there. */
const usualBytes = 144

/** How often and for how long something was done. */
class Course {
  readonly histogram = newHistogram()
  count = 0
  elapsedMs = 0

  /** Again and again by each of `workers`, until the time is over and all have been answered. */
  async run(durationMs: number, workers: number, work: () => Promise<void> | void): Promise<void> {
    const start = performance.now()
    const worker = async (): Promise<void> => {
      for (let now = performance.now(); now - start < durationMs; ) {
        await work()
        const end = performance.now()
        record(this.histogram, end - now)
        now = end
        this.count++
      }
    }
    await Promise.all(Array.from({ length: workers }, worker))
    this.elapsedMs += performance.now() - start
  }

  /** Of one after the other. */
  get meanMs(): number {
    return this.elapsedMs / this.count
  }

  get perSecond(): number {
    return (1000 * this.count) / this.elapsedMs
  }
}

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async (folder) => {
    assertRealDisk(folder)
    const committer = await openCommitter(contender, folder, options)
    await committer.fill(entries)
    const write = writerOf(committer, entries)
    // Compiles everything, and finds the bytes of a write that is alone.
    await new Course().run(bareMs, writers, write)
    await committer.fill(1)
    await new Course().run(oneWriterMs, 1, write)
    const bare = new BareAppender(folder, committer.bytesPerWrite?.() ?? usualBytes)
    await new Course().run(bareMs, 1, () => bare.appendSync())
    await new Course().run(bareMs, 1, () => bare.append())
    await settle()

    const sync = new Course()
    const awaited = new Course()
    const one = new Course()
    const many = new Course()
    let flushes = 0
    for (let turn = 0; turn < turns; turn++) {
      await sync.run(bareMs, 1, () => bare.appendSync())
      const before = { syncs: committer.syncs?.() ?? 0, count: one.count, flushes: flushesOf(folder) ?? NaN }
      await one.run(oneWriterMs, 1, write)
      flushes += (flushesOf(folder) ?? NaN) - before.flushes
      const syncs = committer.syncs?.()
      if (syncs !== undefined && syncs - before.syncs < one.count - before.count) {
        throw new Error('a commit was answered without a sync')
      }
      await many.run(manyWritersMs, writers, write)
      await awaited.run(bareMs, 1, () => bare.append())
    }
    bare.close()
    await committer.close()
    return {
      metrics: {
        bareMs: sync.meanMs,
        bareP50Ms: percentile(sync.histogram, 50),
        bareAwaitedMs: awaited.meanMs,
        oneWriterMs: one.meanMs,
        oneWriterP50Ms: percentile(one.histogram, 50),
        ...(Number.isNaN(flushes) ? {} : { flushesPerCommitCount: flushes / one.count }),
        barePerSecond: sync.perSecond,
        commitsPerSecond: many.perSecond,
        manyP50Ms: percentile(many.histogram, 50),
        manyP999Ms: percentile(many.histogram, 99.9),
        manyMaxMs: maximum(many.histogram),
      },
    }
  })

function writerOf(committer: Committer, entries: number): () => Promise<void> {
  const index = new RandomIndex(entries)
  let version = 0
  return () => {
    const one = index.next()
    return committer.write(keyOf(one), recordOf(one, version++))
  }
}
