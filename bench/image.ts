import { execa } from 'execa'
import { copyFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cross, type Benchmark, type Measure } from './lib/benchmark.js'
import { open } from './lib/forkstore.js'
import { settle, turn, withFolder } from './lib/machine.js'
import { keyOf, recordOf, type Customer } from './lib/records.js'
import { median } from './lib/statistics.js'

export const benchmark: Benchmark = {
  name: 'image',
  title:
    'rate of a whole snapshot, fork to durable file, beside dd of the same bytes (oflag=direct bs=1M conv=fsync)',
  cases: (options) => cross(['forkstore'], [5_000_000], options),
  rounds: () => 2,
}

const pairs = 4

export const measure: Measure = ({ entries = 0 }, options) =>
  withFolder(options.directory, (folder) =>
    // The source of dd is memory, and the image itself: zeros might be cheaper to some disk.
    withFolder('/dev/shm', async (memory) => {
      const store = await open(join(folder, 'store'), {
        engine: options.engine,
        snapshot: false,
        durability: 'snapshot',
      })
      const map = store.map<string, Customer>('customers')
      for (let i = 0; i < entries; i++) {
        map.set(keyOf(i), recordOf(i))
        if (i % 10_000 === 0) await turn()
      }
      await settle(500)
      const image: number[] = []
      const raw: number[] = []
      let bytes = 0
      for (let pair = 0; pair < pairs; pair++) {
        map.set(keyOf(pair), recordOf(pair, 1))
        const result = await store.snapshot()
        bytes = statSync(result.path).size
        image.push(bytes / result.durationMs / 1000)
        copyFileSync(result.path, join(memory, 'image'))
        raw.push(bytes / (await copyDirectly(join(memory, 'image'), join(folder, 'raw'))) / 1000)
      }
      await store.close()
      return {
        metrics: {
          fileBytes: bytes,
          imageMBps: median(image),
          rawMBps: median(raw),
          lowestRawMBps: Math.min(...raw),
          highestRawMBps: Math.max(...raw),
        },
      }
    }),
  )

/** Milliseconds, as dd itself counts them: from its first read to the end of fsync. */
async function copyDirectly(from: string, to: string): Promise<number> {
  const { stderr } = await execa('dd', [`if=${from}`, `of=${to}`, 'bs=1M', 'oflag=direct', 'conv=fsync'], {
    env: { LC_ALL: 'C' },
  })
  rmSync(to)
  const seconds = /copied, ([0-9.e+-]+) s/.exec(stderr)
  if (seconds === null) throw new Error(`dd said: ${stderr}`)
  return Number(seconds[1]) * 1000
}
