import { cross, type Benchmark, type Measure, type Metrics } from './lib/benchmark.js'
import { open } from './lib/forkstore.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { RandomIndex } from './lib/records.js'

/**
 * One long array of numbers: the mean of an operation, and the longest single one. A plain array copies all of
 * itself for some of them.
 */
export const benchmark: Benchmark = {
  name: 'array',
  title: 'operations at the ends and inside of one array: a plain one, and one of the live tree',
  cases: (options) => cross(['plain', 'tree'], [10_000_000], options),
  rounds: () => 3,
}

const repetitions = 100_000
/** For operations that take milliseconds each. */
const longestMs = 2_000

export const measure: Measure = ({ contender, entries = 0 }, options) =>
  withFolder(options.directory, async () => {
    const store =
      contender === 'tree' ? await open<{ list: number[] }>({ engine: options.engine }) : undefined
    const holder: { list?: number[] } = store?.root ?? {}
    holder.list = []
    const list = holder.list

    const metrics: Metrics = {}
    // While it grows from nothing; the first of them also warm up.
    let elapsed = 0
    let longest = 0
    for (let from = 0; from < entries; from += 1_000) {
      const start = performance.now()
      for (let i = from; i < Math.min(entries, from + 1_000); i++) {
        const before = performance.now()
        list.push(i)
        longest = Math.max(longest, performance.now() - before)
      }
      elapsed += performance.now() - start
      await turn()
    }
    metrics['growNs'] = (elapsed * 1e6) / entries
    metrics['growMaxMs'] = longest

    const index = new RandomIndex(entries)
    let read = 0
    const operations: Record<string, (i: number) => void> = {
      read: () => (read += list[index.next()]!),
      write: (i) => (list[index.next()] = i),
      push: (i) => list.push(i),
      pop: () => list.pop(),
      unshift: (i) => list.unshift(i),
      shift: () => list.shift(),
    }
    for (const [name, operation] of Object.entries(operations)) {
      await settle()
      metrics[`${name}Ns`] = meanNs(operation)
      metrics[`${name}MaxMs`] = longestOf(operation)
      // Each pair of operations leaves the length as it was, up to those that ran out of time.
    }
    if (read === 0 || Math.abs(list.length - entries) > 4 * repetitions) throw new Error('items are missing')
    await store?.close()
    return { metrics }
  })

function meanNs(operation: (i: number) => void): number {
  const start = performance.now()
  let done = 0
  while (done < repetitions && performance.now() - start < longestMs) {
    const end = Math.min(repetitions, 2 * done + 1)
    for (; done < end; done++) operation(done)
  }
  return ((performance.now() - start) * 1e6) / done
}

function longestOf(operation: (i: number) => void): number {
  const start = performance.now()
  let longest = 0
  for (let i = 0; i < repetitions; i++) {
    const before = performance.now()
    operation(i)
    const after = performance.now()
    longest = Math.max(longest, after - before)
    if (after - start > longestMs) break
  }
  return longest
}
