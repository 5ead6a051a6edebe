import { openEngine, type EngineName } from './engines.js'

/**
 * A process that opens a store. `holder.ts <engine> <path>`: saves one entry, says so, and holds the store
 * until it is killed. With `try`: prints the code of the error, or `opened`.
 */
const [engine, path, mode] = process.argv.slice(2) as [EngineName, string, string | undefined]

if (mode === 'try') {
  try {
    const store = await openEngine(engine, path)
    await store.close()
    process.stdout.write('opened')
  } catch (error) {
    process.stdout.write(String((error as { code?: unknown }).code))
  }
} else {
  const store = await openEngine(engine, path, { durability: 'snapshot' })
  store.map('a').set('saved', 1)
  await store.snapshot()
  store.map('a').set('not saved', 1)
  process.stdout.write('open')
  process.stdin.resume()
}
