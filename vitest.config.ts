import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  // Examples import the package by its name, as its users do; here that means the sources.
  resolve: {
    alias: [
      { find: /^forkstore$/, replacement: source('lib/index.ts') },
      { find: /^forkstore\/js$/, replacement: source('lib/js.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/storms/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
