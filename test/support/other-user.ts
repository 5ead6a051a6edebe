import { openEngine, type EngineName } from './engines.js'

/**
 * A process of root that opens a store as another user. `other-user.ts <engine> <path> <uid>`: prints what
 * came of it, as JSON.
 */
const [engine, path, user] = process.argv.slice(2) as [EngineName, string, string]

// All that has to be loaded is, before this user may not read it.
await (await openEngine(engine)).close()
process.seteuid!(Number(user))
try {
  const store = await openEngine(engine, path)
  await store.close()
  process.stdout.write(JSON.stringify({ code: 'opened' }))
} catch (error) {
  const { code, message, cause } = error as Error & { code: string; cause?: NodeJS.ErrnoException }
  process.stdout.write(JSON.stringify({ code, message, cause: cause?.code }))
}
