import { execa } from 'execa'
import { Redis } from 'ioredis'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RedisServer {
  pid: number
  /** One more connection; whoever asked ends it. */
  connect(): Promise<Redis>
  /** Records of four fields, as hashes, until the process has this much resident memory; how many. */
  fill(bytes: number): Promise<number>
  /** So many records, under the keys of records.ts. */
  fillRecords(entries: number): Promise<void>
  /** One hash of so many fields, with numbers as values. */
  fillHash(name: string, fields: number): Promise<void>
  residentBytes(): Promise<number>
  /** BGSAVE's fork, in milliseconds, as the server itself reports it. */
  fork(): Promise<number>
  /** BGSAVE, until the file is written. */
  save(): Promise<void>
  /** How long the last fork held the server. */
  lastForkMs(): Promise<number>
  stop(): Promise<void>
}

/**
 * The keys of records.ts, made inside the server: a quarter of the time that sending them takes. In two parts,
 * since a product of 60 bits is not exact in Lua's numbers.
 */
const idScript = `
  local factor = ${0x9e3779b1 & 0x3fffffff}
  local function idOf(i)
    local low = i % 32768
    local high = (i - low) / 32768
    return string.format('%d', 1000000000 + (high * factor % 32768 * 32768 + low * factor) % ${2 ** 30})
  end
`

/** The records of records.ts. */
const fillScript = `${idScript}
  for i = ARGV[1], ARGV[1] + ARGV[2] - 1 do
    local id = idOf(i)
    redis.call('HSET', 'customer:' .. id, 'name', 'Ada ' .. i % 1000000,
      'email', id .. '@example.org', 'visits', i % 1024, 'active', i % 10 == 0 and '0' or '1')
  end
`
const fillHashScript = `${idScript}
  for i = ARGV[1], ARGV[1] + ARGV[2] - 1 do
    redis.call('HSET', KEYS[1], 'customer:' .. idOf(i), i)
  end
`
/** So that no script runs for long: the server answers nothing meanwhile. */
const entriesPerScript = 100_000

/** A real redis-server on a socket in `folder`, with its own defaults but for automatic saving and `settings`. */
export async function startRedis(folder: string, settings: string[] = []): Promise<RedisServer> {
  const socket = join(folder, 'redis.sock')
  const redis = ['redis-server', '--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder]
  // It must not outlive this process, not even when that is killed.
  const server = execa('setpriv', ['--pdeathsig', 'KILL', ...redis, ...settings], { stdout: 'ignore' })
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

  const lastForkMs = async (): Promise<number> => Number(await info('stats', 'latest_fork_usec')) / 1000

  async function saved(): Promise<void> {
    while ((await info('persistence', 'rdb_bgsave_in_progress')) !== '0') await sleep(20)
  }

  /** In steps, each by a script. */
  async function inSteps(
    count: number,
    run: (from: number, count: number) => Promise<unknown>,
  ): Promise<void> {
    for (let from = 0; from < count; from += entriesPerScript) {
      await run(from, Math.min(entriesPerScript, count - from))
    }
  }

  const residentBytes = async (): Promise<number> => Number(await info('memory', 'used_memory_rss'))

  return {
    pid: server.pid!,
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
        const start = entries
        await inSteps(batch, (from, count) => client.eval(fillScript, 0, start + from, count))
        entries += batch
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
      await saved()
      return lastForkMs()
    },

    fillRecords: (entries) => inSteps(entries, (from, count) => client.eval(fillScript, 0, from, count)),

    fillHash: (name, fields) =>
      inSteps(fields, (from, count) => client.eval(fillHashScript, 1, name, from, count)),

    async save() {
      await client.bgsave()
      await saved()
      if ((await info('persistence', 'rdb_last_bgsave_status')) !== 'ok') throw new Error('BGSAVE failed')
    },

    lastForkMs,

    async stop() {
      client.disconnect()
      server.kill('SIGKILL')
      await failed
    },
  }
}
