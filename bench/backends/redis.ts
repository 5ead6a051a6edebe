import type { Redis } from 'ioredis'
import { keyOf } from '../lib/records.js'
import { startRedis, type RedisServer } from '../lib/redis.js'
import { nameOf, placeOf, type Backend, type Extent, type OpenBackend } from './backend.js'

/** As forkstore's log is by default: synced once a second. No rewriting of the file meanwhile, which would cost it. */
const settings = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0']

/** Beside the server of Node, on a Unix socket, one connection that pipelines what comes at once. */
export const open: OpenBackend = async (folder, extent) => {
  const server = await startRedis(folder, settings)
  const client = await server.connect()
  const shared = {
    async snapshot() {
      await server.save()
      return { pauseMs: await server.lastForkMs() }
    },
    async close() {
      client.disconnect()
      await server.stop()
    },
  }
  return extent.objects === undefined
    ? { ...records(server, client, extent), ...shared }
    : { ...objects(server, client, extent, extent.objects), ...shared }
}

type Data = Omit<Backend, 'snapshot' | 'close'>

/** Hashes of the record's four fields. */
function records(server: RedisServer, client: Redis, { entries }: Extent): Data {
  return {
    async fill() {
      await server.fillRecords(entries)
      await server.save()
    },
    async read(number) {
      const { name, email, visits, active } = await client.hgetall(keyOf(number))
      if (name === undefined) throw new Error(`record ${number} is missing`)
      return JSON.stringify({ name, email, visits: Number(visits), active: active === '1' })
    },
    increment: async (number) => String(await client.hincrby(keyOf(number), 'visits', 1)),
    async patch(number) {
      const key = keyOf(number)
      const set = client.hset(key, 'name', `Bob ${number}`)
      const [visits] = await Promise.all([client.hincrby(key, 'visits', 1), set])
      return String(visits)
    },
  }
}

/** A hash for each object, a field for each member. */
function objects(server: RedisServer, client: Redis, { entries }: Extent, count: number): Data {
  return {
    async fill() {
      for (let object = 0; object < count; object++) await server.fillHash(nameOf(object), entries)
      await server.save()
    },
    async read(number) {
      const { object, member } = placeOf(number, count)
      const value = await client.hget(nameOf(object), keyOf(member))
      if (value === null) throw new Error(`member ${number} is missing`)
      return JSON.stringify(Number(value))
    },
    async increment(number) {
      const { object, member } = placeOf(number, count)
      return String(await client.hincrby(nameOf(object), keyOf(member), 1))
    },
    async patch(number) {
      const { object, member } = placeOf(number, count)
      const name = nameOf(object)
      const set = client.hset(name, keyOf(entries - 1 - member), number)
      const [sum] = await Promise.all([client.hincrby(name, keyOf(member), 1), set])
      return String(sum)
    },
  }
}
