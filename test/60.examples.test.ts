import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { copy, open, type OpenOptions } from 'forkstore'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { incrementConcurrently, readCount, serveCounter } from '../examples/counter/main.js'
import { serveFakeSites } from '../examples/monitor/fake-sites.js'
import { Monitor, type Root as MonitorRoot } from '../examples/monitor/monitor.js'
import { PokerClient, startRobot, type Robot } from '../examples/poker/client.js'
import { nameOf, newDeck, strengthOf } from '../examples/poker/hands.js'
import { servePoker, type PokerServer } from '../examples/poker/server.js'
import { act, CHIPS, countChips, deal, setUp, sit, type Root as PokerRoot } from '../examples/poker/table.js'
import { logIn, newsletterShare, signUp, type User } from '../examples/users/main.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forkstore-examples-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function runExample(name: string, ...options: string[]): Promise<string> {
  const { stdout } = await run(
    process.execPath,
    ['--import', 'tsx', `examples/${name}/main.ts`, ...options],
    { cwd: root },
  )
  return stdout
}

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

describe('poker hands', () => {
  it('are of each kind as often as mathematics says', () => {
    const deck = newDeck()
    const counts: Record<string, number> = {}
    for (let a = 0; a < 48; a++)
      for (let b = a + 1; b < 49; b++)
        for (let c = b + 1; c < 50; c++)
          for (let d = c + 1; d < 51; d++)
            for (let e = d + 1; e < 52; e++) {
              const name = nameOf(strengthOf([deck[a]!, deck[b]!, deck[c]!, deck[d]!, deck[e]!]))
              counts[name] = (counts[name] ?? 0) + 1
            }
    expect(counts).toEqual({
      'a straight flush': 40,
      'four of a kind': 624,
      'a full house': 3_744,
      'a flush': 5_108,
      'a straight': 10_200,
      'three of a kind': 54_912,
      'two pairs': 123_552,
      'a pair': 1_098_240,
      'high card': 1_302_540,
    })
  })

  it('are compared by their cards, best five of seven', () => {
    const better = (one: string, other: string): boolean =>
      strengthOf(one.split(' ')) > strengthOf(other.split(' '))
    expect(better('2c 3d 4h 5s 6c', 'Ac 2d 3h 4s 5c')).toBe(true)
    expect(better('9c 9d 9h Ks 2c', '8c 8d 8h As Kc')).toBe(true)
    expect(better('Kc Kd 3h 3s 2c', 'Qc Qd Jh Js Ac')).toBe(true)
    expect(better('Ac Kc Qc Jc 9c', 'Kd Qd Jd Td 8d')).toBe(true)
    expect(better('2c 2d Ah Ks Qc 7d 8d', 'Ah Ks Qc Jd 9d 7c 3c')).toBe(true)
    expect(strengthOf('As Ks Qs Js Ts 2c 2d'.split(' '))).toBe(strengthOf('Ad Kd Qd Jd Td'.split(' ')))
  })
})

describe.each(['native', 'js'] as const)('examples, engine %s', (engine) => {
  const options: OpenOptions = { engine }

  it('the counter counts every concurrent request once, also over restarts', async () => {
    let total = 0
    for (const increments of [300, 1, 700]) {
      const server = await serveCounter(join(folder, 'data'), options)
      expect(await readCount(server.url)).toBe(total)
      const answers = await incrementConcurrently(server.url, increments)
      const expected = Array.from({ length: increments }, (_, index) => total + index + 1)
      expect(answers.sort((a, b) => a - b)).toEqual(expected)
      total += increments
      expect(await readCount(server.url)).toBe(total)
      await server.close()
    }
  })

  it('the counter runs as a program', async () => {
    expect(await runExample('counter', '--engine', engine, '--increments', '500')).toBe(
      '500 concurrent increments; 500 different answers; count 500\nafter a restart: 500\n',
    )
  })

  it('users sign up once and log in with their password only', async () => {
    const store = await open({ engine })
    const users = store.map<string, User>('users')
    expect(signUp(users, 'ada@example.com', 'Ada', 'engine', true)).toBe(true)
    expect(signUp(users, 'ada@example.com', 'Eve', 'other', false)).toBe(false)
    for (const name of ['bob', 'cy', 'di']) signUp(users, `${name}@example.com`, name, name, false)

    expect(logIn(users, 'ada@example.com', 'other')).toBeUndefined()
    expect(logIn(users, 'nobody@example.com', 'engine')).toBeUndefined()
    expect(users.get('ada@example.com')).toMatchObject({ name: 'Ada', logins: 0, lastLogin: null })
    expect(logIn(users, 'ada@example.com', 'engine')).toMatchObject({ name: 'Ada', logins: 1 })
    expect(logIn(users, 'ada@example.com', 'engine')?.lastLogin).toBeInstanceOf(Date)
    expect(newsletterShare(users)).toBe(0.25)
    await store.close()
  })

  it('users run as a program', async () => {
    expect(await runExample('users', '--engine', engine, '--users', '200')).toBe(
      '200 users; 25.0 % take the newsletter\nuser7@example.com has logged in 2 times; a wrong password: refused\n',
    )
  })

  it('poker: a move that a rule forbids changes nothing', async () => {
    const store = await open<PokerRoot>({ engine })
    const root = store.root as PokerRoot
    store.transaction(() => {
      setUp(root)
      for (const name of ['Ada', '__proto__', 'toString']) sit(root, name, `token of ${name}`)
    })
    const below = randomOf(1)
    store.transaction(() => deal(root, (count) => Math.floor(below() * count)))
    const before = copy(root)
    const name = before.table.seats[before.table.turn]!.name

    const refused: (() => void)[] = [
      () => act(root, name, { type: 'raise', to: 1e9 }),
      () => act(root, name, { type: 'raise', to: -5 }),
      () => act(root, name, { type: 'raise', to: 10.5 }),
      () => act(root, name, { type: 'raise', to: NaN }),
      () => act(root, 'nobody', { type: 'call' }),
      () => deal(root, () => 0),
      () => sit(root, '__proto__', 'wrong token'),
      () => {
        for (let player = 0; player < 10; player++) sit(root, `player ${player}`, '')
      },
    ]
    for (const move of refused) {
      expect(() => store.transaction(move)).toThrow(
        expect.objectContaining({ constructor: expect.objectContaining({ name: 'IllegalMove' }) as unknown }),
      )
      expect(copy(root)).toEqual(before)
    }
    store.transaction(() => act(root, name, { type: 'raise', to: 20 }))
    expect(root.table.pot).toBe(before.table.pot + 20)
    expect(
      root.table.seats
        .map((seat) => seat?.chips)
        .filter(Boolean)
        .sort(),
    ).toEqual([970, 990, 990])
    expect(countChips(root)).toBe(CHIPS)
    await store.close()
  })

  it('poker: many random players over sockets, and not a chip is lost; also over restarts', async () => {
    const names = ['__proto__', ...Array.from({ length: 11 }, (_, index) => `robot ${index}`)]
    const tokens = new Map<string, string | undefined>()
    let table: unknown
    let hands = 0
    for (let run = 0; run < 2; run++) {
      const server = await servePoker(join(folder, 'data'), { engine, turnMs: 500, pauseMs: 0 })
      // It goes on with the very hand that was being played.
      if (run > 0) expect(copy(server.root.table)).toEqual(table)
      const robots = await playRobots(server, names, tokens, 40)
      checkTable(server.root)
      expect(server.root.table.hand).toBeGreaterThanOrEqual(hands + 40)
      hands = server.root.table.hand
      const sum = (of: (robot: Robot) => number): number => robots.reduce((all, robot) => all + of(robot), 0)
      expect(sum((robot) => robot.moves)).toBeGreaterThan(100)
      expect(sum((robot) => robot.refused)).toBeGreaterThan(10)
      await server.close()
      const store = await open<PokerRoot>(join(folder, 'data'), { engine })
      table = copy(store.root.table!)
      expect(store.root.table!.hand).toBe(hands)
      await store.close()
    }
  })

  it('poker: what is no move is answered with an error', async () => {
    const server = await servePoker(join(folder, 'data'), { engine })
    const client = await PokerClient.connect(server.url)
    const ask = (request: unknown): Promise<unknown> => client.ask(request as never)
    expect(await ask({ type: 'call' })).toMatchObject({ error: 'sit down first' })
    expect(await ask({ type: 'sit', name: 5 })).toMatchObject({ error: 'a name has 1 to 20 characters' })
    expect(await ask({ type: 'sit', name: 'Ada' })).toMatchObject({ token: expect.any(String) as string })
    expect(await ask({ type: 'cheat' })).toMatchObject({ error: 'no such move' })
    expect(await ask({ type: 'raise', to: '100' })).toMatchObject({ error: 'no such move' })
    const other = await PokerClient.connect(server.url)
    expect(await other.ask({ type: 'sit', name: 'Ada' })).toMatchObject({
      error: 'this name belongs to somebody else',
    })
    client.close()
    other.close()
    await server.close()
  })

  it('poker: after kill -9 the table goes on from its last snapshot', async () => {
    const data = join(folder, 'data')
    const program = [
      '--import',
      'tsx',
      'examples/poker/main.ts',
      '--serve',
      data,
      '--port',
      '0',
      '--engine',
      engine,
    ]
    const child = spawn(process.execPath, program, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (part) => (said += String(part)))
    while (!said.includes('\n')) {
      expect(child.exitCode).toBe(null)
      await sleep(10)
    }
    const url = /ws:\S+/.exec(said)![0]
    const robots = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name, seed) => startRobot(url, name, randomOf(seed))),
    )
    await sleep(2_500) // for the log to take it
    const { client } = robots[0]!
    while ((client.table?.hand ?? 0) === 0) await sleep(10)
    child.kill('SIGKILL')
    await once(child, 'exit')
    while (!client.isClosed) await sleep(10) // it may have been shown more, while this process was busy
    const shown = client.table!

    const server = await servePoker(data, { engine, turnMs: 500, pauseMs: 0 })
    checkTable(server.root)
    expect(server.root.table.hand).toBeLessThanOrEqual(shown.hand)
    expect(Object.keys(server.root.players).sort()).toEqual(['a', 'b', 'c', 'd'])
    const tokens = new Map(robots.map((robot, index) => ['abcd'[index]!, robot.token]))
    await playRobots(server, [...tokens.keys()], tokens, 10)
    checkTable(server.root)
    await server.close()
  })

  it('poker runs as a program', async () => {
    expect(await runExample('poker', '--engine', engine, '--players', '5', '--seconds', '1')).toMatch(
      /^hand \d+, .*\n[1-9]\d* hands, \d+ moves, \d+ refused; no chip is lost\n.*after a restart, [1-9]\d* hands, \d+ moves, \d+ refused; no chip is lost\n\n$/s,
    )
  })

  it('the monitor is right about every site, also after a restart', async () => {
    const sites = 500
    const historyLength = 5
    const timeoutMs = 6_000 // some sites never answer; those that do must not be late on a busy machine
    const fake = await serveFakeSites(sites, 42)
    const data = join(folder, 'data')
    for (let run = 0; run < 2; run++) {
      const store = await open<MonitorRoot>(data, options)
      const before = fake.requests()
      const monitor = new Monitor(store, fake.urls, { intervalMs: 400, timeoutMs, historyLength })
      expect(fake.disagreements(Object.entries(store.root.sites!), historyLength)).toEqual([])
      // Every site three times, however long that takes.
      do await monitor.run(2_000)
      while (fake.requests() - before <= 3 * sites)
      expect(fake.disagreements(Object.entries(store.root.sites!), historyLength)).toEqual([])
      const { up, down, unknown, uptime, longestOutage } = monitor.summarize()
      expect([up + down, unknown]).toEqual([sites, 0])
      expect(up).toBeGreaterThan(sites / 2)
      expect(down).toBeGreaterThan(0)
      expect(uptime).toBeGreaterThan(0.8)
      expect(longestOutage).toBeGreaterThan(0)
      await store.close()
    }
    const store = await open<MonitorRoot>(data, options)
    const states = Object.entries(copy(store.root.sites!))
    expect(fake.disagreements(states, historyLength)).toEqual([])
    // The comparison sees what is wrong.
    states[7]![1].checks++
    states[8]![1].historyMs.push(null)
    expect(fake.disagreements(states, historyLength)).toHaveLength(2)
    await store.close()
    await fake.close()
  })

  it('the monitor runs as a program', async () => {
    const printed = await runExample(
      'monitor',
      ...['--engine', engine, '--sites', '200', '--minutes', '0.03', '--interval-seconds', '1'],
    )
    expect(printed).toMatch(/200 up|\d+ checks: \d+ up, \d+ down, 0 unknown/)
    expect(printed).toMatch(/right about every site, also after a restart\n$/)
  })
})

async function playRobots(
  server: PokerServer,
  names: string[],
  tokens: Map<string, string | undefined>,
  hands: number,
): Promise<Robot[]> {
  const last = server.root.table.hand + hands
  const robots = await Promise.all(
    names.map((name, seed) => startRobot(server.url, name, randomOf(seed), tokens.get(name))),
  )
  const deadline = Date.now() + 60_000
  while (server.root.table.hand < last) {
    if (Date.now() > deadline) throw new Error(`stuck: ${JSON.stringify(server.root.table)}`)
    await sleep(5)
    expect(countChips(server.root)).toBe(CHIPS)
  }
  robots.forEach((robot, index) => tokens.set(names[index]!, robot.token))
  return robots
}

/** What must be true of a table between any two moves. */
function checkTable(root: PokerRoot): void {
  const { bank, players, table } = copy(root)
  expect(countChips(root)).toBe(CHIPS)
  const seats = table.seats.filter((seat) => seat !== null)
  const amounts = [
    bank,
    table.pot,
    ...seats.map((seat) => seat.chips),
    ...Object.values(players).map((one) => one.chips),
  ]
  for (const chips of amounts) expect(Number.isInteger(chips) && chips >= 0, `${chips} chips`).toBe(true)
  expect(new Set(seats.map((seat) => seat.name)).size).toBe(seats.length)
  for (const seat of seats) expect(players[seat.name]?.chips).toBe(0)

  const cards = [...table.deck, ...table.board, ...seats.flatMap((seat) => seat.cards)]
  expect(new Set(cards).size).toBe(cards.length)
  expect(newDeck()).toEqual(expect.arrayContaining(cards))
  if (table.phase === 'waiting') {
    expect([table.pot, table.turn, seats.some((seat) => seat.playing)]).toEqual([0, -1, false])
  } else {
    expect(table.board.length).toBe({ preflop: 0, flop: 3, turn: 4, river: 5 }[table.phase])
    expect(table.seats[table.turn]?.playing).toBe(true)
    for (const seat of seats.filter(({ playing }) => playing)) expect(seat.cards.length).toBe(2)
  }
}
