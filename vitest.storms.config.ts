import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import config from './vitest.config.js'

/** The longest file first: begun last, it would run alone for minutes. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLongest = (file: TestSpecification): boolean => file.moduleId.endsWith('73.snapshots.test.ts')
    return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))]
  }
}

// What takes minutes: kill -9 at random and at every call, snapshot after snapshot, large data, tiny caches.
export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ['test/storms/*.test.ts'],
    exclude: [],
    sequence: { sequencer: LongestFirst },
  },
})
