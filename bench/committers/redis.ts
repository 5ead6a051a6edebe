import { startRedis } from '../lib/redis.js'
import { keyOf, recordOf, type Customer } from '../lib/records.js'
import type { Committer } from './committer.js'

/**
 * As the log is: every change on disk before the answer. No rewriting of the file meanwhile, which would cost it.
 */
const settings = ['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0']

const entriesPerPipeline = 10_000

/** Records as hashes of the same four fields. `connections` are used in turn; each pipelines what comes at once. */
async function openRedis(folder: string, connections: number): Promise<Committer> {
  const server = await startRedis(folder, settings)
  const clients = await Promise.all(Array.from({ length: connections }, () => server.connect()))
  let next = 0

  async function write(key: string, { name, email, visits, active }: Customer): Promise<void> {
    const client = clients[next++ % connections]!
    await client.hset(key, 'name', name, 'email', email, 'visits', visits, 'active', active ? 1 : 0)
  }

  return {
    async fill(entries) {
      for (let from = 0; from < entries; from += entriesPerPipeline) {
        const writes: Promise<void>[] = []
        for (let i = from; i < Math.min(entries, from + entriesPerPipeline); i++) {
          writes.push(write(keyOf(i), recordOf(i)))
        }
        await Promise.all(writes)
      }
    },
    write,
    async close() {
      for (const client of clients) client.disconnect()
      await server.stop()
    },
  }
}

export const openPipelined = (folder: string): Promise<Committer> => openRedis(folder, 1)
/** As many as there are writers. */
export const openConnections = (folder: string): Promise<Committer> => openRedis(folder, 64)
