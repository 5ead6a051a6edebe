import { execa } from 'execa'
import { Redis } from 'ioredis'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RedisServer {
  /** One more connection; whoever asked ends it. */
  connect(): Promise<Redis>
  /** Records of four fields, as hashes, until the process has this much resident memory; how many. */
  fill(bytes: number): Promise<number>
  residentBytes(): Promise<number>
  /** BGSAVE's fork, in milliseconds, as the server itself reports it. */
  fork(): Promise<number>
  stop(): Promise<void>
}

/**
 * Records of the same sizes as in records.ts, made inside the server: a quarter of the time that sending
 * them takes. Redis places keys by their hash, so that these come in sequence makes no difference.
 */
const fillScript = `
  for i = ARGV[1], ARGV[1] + ARGV[2] - 1 do
    local id = string.format('%d', 1000000000 + i)
    redis.call('HSET', 'customer:' .. id, 'name', 'Ada ' .. i % 1000000,
      'email', id .. '@example.org', 'visits', i % 1024, 'active', i % 10 == 0 and '0' or '1')
  end
`
/** So that no script runs for long: the server answers nothing meanwhile. */
const entriesPerScript = 100_000

/** A real redis-server on a socket in `folder`, with its own defaults but for automatic saving and `settings`. */
export async function startRedis(folder: string, settings: string[] = []): Promise<RedisServer> {
  const socket = join(folder, 'redis.sock')
  const server = execa(
    'redis-server',
    ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder, ...settings],
    {
      stdout: 'ignore',
    },
  )
  const failed = server.then(
    () => undefined,
    (error: unknown) => error,
  )
  const client = new Redis(socket, { retryStrategy: (times) => (times < 100 ? 50 : null) })
  client.on('error', () => undefined) // it retries until the socket is there
  await Promise.race([client.ping(), failed.then((error) => Promise.reject(error as Error))])

  async function info(section: string, field: string): Promise<string> {
    const found = new RegExp(`^${field}:(.*)\r$`, 'm').exec(await client.info(section))
    if (found === null) throw new Error(`INFO ${section} has no ${field}`)
    return found[1]!
  }

  const residentBytes = async (): Promise<number> => Number(await info('memory', 'used_memory_rss'))

  return {
    residentBytes,

    async connect() {
      const another = new Redis(socket)
      await another.ping()
      return another
    },

    async fill(bytes) {
      let entries = 0
      let batch = 50_000
      for (;;) {
        for (let left = batch; left > 0; left -= entriesPerScript) {
          const count = Math.min(entriesPerScript, left)
          await client.eval(fillScript, 0, entries, count)
          entries += count
        }
        await sleep(200) // used_memory_rss is sampled ten times a second
        const resident = await residentBytes()
        if (resident >= bytes * 0.99) return entries
        batch = Math.max(1000, Math.floor((bytes - resident) / (resident / entries)))
      }
    },

    async fork() {
      await client.bgsave()
      // The file is of no interest: a child ended with SIGUSR1 counts as given up, not as failed.
      const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim()
      for (const child of children.split(' ').filter(Boolean)) process.kill(Number(child), 'SIGUSR1')
      while ((await info('persistence', 'rdb_bgsave_in_progress')) !== '0') await sleep(20)
      return Number(await info('stats', 'latest_fork_usec')) / 1000
    },

    async stop() {
      client.disconnect()
      server.kill('SIGKILL')
      await failed
    },
  }
}
