import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Benchmark, Case, Measure } from './lib/benchmark.js'
import { withFolder } from './lib/machine.js'
import { newHistogram, percentilesOf, record } from './lib/statistics.js'
import { openFilled } from './lib/filled.js'

export const benchmark: Benchmark = {
  name: 'spawn',
  title: "an application's own child_process.spawn of /bin/true, beside a large store and alone",
  cases: ({ mebibytes = [1024] }) => [
    { contender: 'no store' },
    ...mebibytes.map((size): Case => ({ contender: 'forkstore', mebibytes: size })),
  ],
  rounds: () => 2,
}

const spawns = 100

export const measure: Measure = ({ mebibytes }, options) =>
  withFolder(options.directory, async (folder) => {
    const filled = mebibytes === undefined ? undefined : await openFilled(folder, mebibytes, options)
    const held = newHistogram()
    const done = newHistogram()
    for (let i = 0; i < spawns; i++) {
      const start = performance.now()
      const child = spawn('/bin/true', { stdio: 'ignore' })
      record(held, performance.now() - start)
      await once(child, 'exit')
      record(done, performance.now() - start)
    }
    await filled?.store.close()
    return {
      metrics: { ...percentilesOf('call', held), exitP50Ms: percentilesOf('exit', done)['exitP50Ms']! },
    }
  })
