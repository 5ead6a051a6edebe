import { defineConfig } from 'vitest/config'
import config from './vitest.config.js'

// What takes minutes: kill -9 at random and at every call, snapshot after snapshot, large data, tiny caches.
export default defineConfig({
  ...config,
  test: { ...config.test, include: ['test/storms/*.test.ts'], exclude: [] },
})
