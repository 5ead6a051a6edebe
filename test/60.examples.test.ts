import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { open, type OpenOptions } from 'forkstore'
import ts from 'typescript'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { incrementConcurrently, readCount, serveCounter } from '../examples/counter/main.js'
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

it('the first program of the README is TypeScript too', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const program = /## A first program\n\n```js\n(.*?)```/s.exec(readme)![1]!
  // As if it lay here: the name `forkstore` is resolved as it is for the tests.
  const file = join(root, 'test', 'first-program.ts')
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
    ts.sys,
    root,
  )
  const check = (text: string): string[] => {
    const host = ts.createCompilerHost(options)
    const readFile = host.readFile.bind(host)
    const fileExists = host.fileExists.bind(host)
    host.readFile = (path) => (path === file ? text : readFile(path))
    host.fileExists = (path) => path === file || fileExists(path)
    const checked = ts.createProgram([file], options, host)
    const found = ts.getPreEmitDiagnostics(checked, checked.getSourceFile(file)!)
    return found.map((each) => ts.flattenDiagnosticMessageText(each.messageText, '\n'))
  }
  expect(check(program)).toEqual([])
  expect(check(program.replace("'visits')", '5)')).length).toBe(1)
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
    const users = store.map<User, string>('users')
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
})
