import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forkstore-demo-test-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** What the demo put there; tsx, which runs it, keeps a cache of its own in the same place. */
async function leftovers(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('tsx-'))
}

/** Starts the demo as the leader of a group of processes, all its files inside `folder`. */
function startDemo(...options: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/demo/main.ts', ...options], {
    cwd: root,
    detached: true,
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const demo = {
    group: -child.pid!,
    output: '',
    exited: new Promise<number | null>((resolve) => child.once('exit', resolve)),
    async printed(text: string) {
      while (!demo.output.includes(text)) {
        if (child.exitCode !== null) throw new Error(`ended without printing "${text}":\n${demo.output}`)
        await sleep(20)
      }
    },
  }
  child.stdout.on('data', (part) => (demo.output += part))
  child.stderr.on('data', (part) => (demo.output += part))
  return demo
}

/** Whether any process of the group is left; a killed one needs a moment to vanish. */
async function groupIsGone(group: number): Promise<boolean> {
  for (let tries = 0; tries < 600; tries++) {
    try {
      process.kill(group, 0)
    } catch {
      return true
    }
    await sleep(50)
  }
  return false
}

describe.each(['native', 'js'] as const)('npm run demo, engine %s', (engine) => {
  it('serves, saves, dies and finds everything again', async () => {
    const demo = startDemo('--engine', engine, '--entries', '20000', '--rate', '500', '--snapshots', '1')
    const code = await demo.exited
    expect(demo.output).toContain('OK: everything that was promised came back')
    expect(demo.output).toMatch(/came back\s+20,000 packages as they were after write [1-9]/)
    expect(demo.output).not.toMatch(/PROBLEM|FAILED|Error/)
    expect(code).toBe(0)
    expect(await leftovers()).toEqual([])
    expect(await groupIsGone(demo.group)).toBe(true)
  })

  it.each([
    ['while loading', '5000000', 'records in'],
    ['while serving', '2000', 'second 1'],
  ])('leaves nothing behind when interrupted %s', async (_when, entries, text) => {
    const demo = startDemo('--engine', engine, '--entries', entries, '--snapshots', '3')
    await demo.printed(text)
    process.kill(demo.group, 'SIGINT')
    expect(await demo.exited).toBe(130)
    expect(demo.output).not.toContain('Error')
    expect(await groupIsGone(demo.group)).toBe(true)
    expect(await leftovers()).toEqual([])
  })
})

it.each([
  ['--entries', 'many'],
  ['--entries', '1e9'],
  ['--rate', '0'],
  ['--engine', 'redis'],
  ['--nonsense'],
])('refuses %s %s with its usage', async (...options) => {
  const demo = startDemo(...options)
  expect(await demo.exited).toBe(2)
  expect(demo.output).toContain('usage: npm run demo')
  expect(await leftovers()).toEqual([])
})
