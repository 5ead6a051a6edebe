/**
 * A poker table for many players over WebSockets. Its rules are in table.ts.
 *
 *     npx tsx examples/poker/main.ts [--engine native|js|auto] [--players 8] [--seconds 5]
 *         robots play at an own table, which is closed and opened again in between
 *     npx tsx examples/poker/main.ts --serve ./poker-data [--port 8080]
 *     npx tsx examples/poker/main.ts --join ws://127.0.0.1:8080 --name Ada [--token TOKEN]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { OpenOptions } from 'forkstore'
import { PokerClient, startRobot } from './client.js'
import { showTable } from './screen.js'
import { servePoker } from './server.js'
import { CHIPS, countChips, viewFor, type Move } from './table.js'

async function serve(path: string, port: number, engine: OpenOptions['engine'] & string): Promise<void> {
  // At most a second of the game is lost in a crash.
  const server = await servePoker(path, { engine, port, snapshot: { everyMs: 1_000 } })
  console.log(`the table is at ${server.url}`)
  const stop = (): void => void server.close().then(() => process.exit(0))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}

async function play(url: string, name: string, knownToken: string | undefined): Promise<void> {
  const client = await PokerClient.connect(url)
  client.onTable = (table) => console.log(`\n${showTable(table)}`)
  client.onClose = () => process.exit(0)
  const { token, error } = await client.ask({
    type: 'sit',
    name,
    ...(knownToken === undefined ? {} : { token: knownToken }),
  })
  if (error !== undefined) throw new Error(error)
  console.log(`fold, call, raise NUMBER or leave; your token is ${token}`)
  for await (const line of createInterface({ input: process.stdin })) {
    const [type, amount] = line.trim().split(/\s+/)
    const move = (type === 'raise' ? { type, to: Number(amount) } : { type }) as Move
    const answer = await client.ask(move)
    if (answer.error !== undefined) console.log(`refused: ${answer.error}`)
  }
  client.close()
}

async function demonstrate(
  engine: OpenOptions['engine'] & string,
  players: number,
  seconds: number,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'forkstore-poker-'))
  try {
    const tokens: (string | undefined)[] = []
    let hands = 0
    for (const title of ['', 'after a restart, ']) {
      const server = await servePoker(join(folder, 'data'), { engine, turnMs: 1_000, pauseMs: 0 })
      const handsBefore = server.root.table.hand
      if (handsBefore !== hands) throw new Error(`the table went on at hand ${handsBefore}, not ${hands}`)
      const robots = await Promise.all(
        Array.from({ length: players }, (_, index) =>
          startRobot(server.url, `robot ${index + 1}`, Math.random, tokens[index]),
        ),
      )
      await sleep((seconds * 1_000) / 2)
      console.log(showTable(viewFor(server.root, undefined)))
      const moves = robots.reduce((sum, robot) => sum + robot.moves, 0)
      const refused = robots.reduce((sum, robot) => sum + robot.refused, 0)
      hands = server.root.table.hand
      const sum = countChips(server.root)
      const chips = sum === CHIPS ? 'no chip is lost' : `${sum - CHIPS} chips too many`
      console.log(`${title}${hands - handsBefore} hands, ${moves} moves, ${refused} refused; ${chips}\n`)
      if (sum !== CHIPS) process.exitCode = 1
      robots.forEach((robot, index) => (tokens[index] = robot.token))
      await server.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string', default: 'auto' },
      players: { type: 'string', default: '8' },
      seconds: { type: 'string', default: '5' },
      serve: { type: 'string' },
      port: { type: 'string', default: '8080' },
      join: { type: 'string' },
      name: { type: 'string', default: 'Ada' },
      token: { type: 'string' },
    },
  })
  const engine = values.engine as OpenOptions['engine'] & string
  if (values.serve !== undefined) await serve(values.serve, Number(values.port), engine)
  else if (values.join !== undefined) await play(values.join, values.name, values.token)
  else await demonstrate(engine, Number(values.players), Number(values.seconds))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
