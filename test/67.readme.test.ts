// The code that the documentation shows is correct: every block of JavaScript or TypeScript compiles, and
// those that are programs (they import forkstore) run, from `dist/` as a user's would, and print what is said
// beside them:
//   ```text                            a block that follows the program: the output of a first run
//   the second run says `1 user`       in the text after a program: the output when it is run again
// Those that import vitest are files of tests: Vitest runs them, in each of its pools.

import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import ts from 'typescript'
import { afterAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)
const base = mkdtempSync(join(tmpdir(), 'forkstore-readme-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

interface Block {
  where: string
  code: string
  isProgram: boolean
  isTest: boolean
  /** Undefined where nothing is said. */
  prints: string | undefined
  printsAgain: string | undefined
}

/** For parts of programs: what they may take as given. */
const GIVEN = `import { copy, ForkstoreError, open, query } from 'forkstore'
const store = await open()
const { root } = store
const users = store.map<string, any>('users')
const email = 'ada@example.com'
`

function blocksOf(file: string, text: string): Block[] {
  const found = text.matchAll(/^```(?:js|ts|javascript|typescript)\n(.*?)^```$/gms)
  return [...found].map(({ 0: { length }, 1: code = '', index }) => {
    const after = text.slice(index + length)
    const prose = after.split('\n```')[0]!
    return {
      where: `${file}:${text.slice(0, index).split('\n').length}`,
      code,
      isProgram: /from 'forkstore/.test(code),
      isTest: /from 'vitest'/.test(code),
      prints: /^\s*```text\n(.*?)\n```/s.exec(after)?.[1],
      printsAgain: /the second run says `([^`]+)`/.exec(prose)?.[1],
    }
  })
}

const files = ['README.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]
const blocks = files
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => blocksOf(name, readFileSync(join(root, name), 'utf8')))
const programs = blocks.filter((block) => block.isProgram && !block.isTest)
const tests = blocks.filter((block) => block.isTest)

/** What TypeScript has to say about a module that lies in `test/`, where the name `forkstore` is resolved. */
function diagnose(code: string): string[] {
  const file = join(root, 'test', 'shown-in-the-documentation.ts')
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path))
    .config as unknown
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  options.useUnknownInCatchVariables = false // as in JavaScript: `error.code` is read without a check
  const host = ts.createCompilerHost(options)
  const readFile = host.readFile.bind(host)
  const fileExists = host.fileExists.bind(host)
  host.readFile = (path) => (path === file ? code : readFile(path))
  host.fileExists = (path) => path === file || fileExists(path)
  const program = ts.createProgram([file], options, host)
  const found = ts.getPreEmitDiagnostics(program, program.getSourceFile(file)!)
  return found.map((each) => ts.flattenDiagnosticMessageText(each.messageText, '\n'))
}

/** An application of its own, with the package as it is published. */
function newApplication(name: string): string {
  const folder = join(base, name)
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules', 'forkstore'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return folder
}

async function printed(folder: string, file: string): Promise<string> {
  const typescript = ['--import', import.meta.resolve('tsx')]
  const { stdout } = await run(process.execPath, [...typescript, file], { cwd: folder, timeout: 60_000 })
  return stdout.trimEnd()
}

describe('what the documentation shows', () => {
  it('is found, and what is said of its output', () => {
    expect(programs.filter((block) => block.where.startsWith('README.md')).length).toBeGreaterThan(0)
    expect(blocks.some((block) => (block.prints ?? block.printsAgain) !== undefined)).toBe(true)

    const program = "import { open } from 'forkstore'\n"
    const text = `A\n\`\`\`js\n${program}\`\`\`\n\n\`\`\`text\n1\n2\n\`\`\`\n\`\`\`ts\nroot.a\n\`\`\`\n`
    expect(blocksOf('x.md', `${text}and the second run says \`3\`.\n`)).toEqual([
      {
        where: 'x.md:2',
        code: program,
        isProgram: true,
        isTest: false,
        prints: '1\n2',
        printsAgain: undefined,
      },
      {
        where: 'x.md:10',
        code: 'root.a\n',
        isProgram: false,
        isTest: false,
        prints: undefined,
        printsAgain: '3',
      },
    ])
  })

  it('has its pictures, for light and for dark pages', () => {
    const pictures = files
      .filter((name) => name.endsWith('.md'))
      .flatMap((name) =>
        [...readFileSync(join(root, name), 'utf8').matchAll(/ (?:src|srcset)="([^"]*)"/g)].map(([, path]) =>
          join(root, dirname(name), path!),
        ),
      )
    expect(pictures.length).toBeGreaterThanOrEqual(12)
    expect(pictures.filter((path) => !existsSync(path))).toEqual([])
    const [dark, light] = ['-dark.svg', '-light.svg'].map((end) =>
      pictures.filter((path) => path.endsWith(end)).map((path) => path.slice(0, -end.length)),
    )
    expect(dark).toEqual(light)
  })

  it('is checked: an error in it is seen', () => {
    expect(diagnose(`${GIVEN}store.map('a').set('key', 1)`)).toEqual([])
    expect(diagnose(`${GIVEN}store.map('a').increment('key', {})`)).toHaveLength(1)
  })

  it.each(blocks)('$where compiles', ({ code, isProgram }) => {
    // A part may have names of its own for what is given.
    expect(diagnose(isProgram ? code : `${GIVEN}{\n${code}}\n`)).toEqual([])
  })

  it.each(programs)('$where runs', async ({ where, code, prints, printsAgain }) => {
    const folder = newApplication(where.replace(/\W/g, '-'))
    writeFileSync(join(folder, 'program.ts'), code)
    const first = await printed(folder, 'program.ts')
    if (prints !== undefined) expect(first).toBe(prints)
    // A program can be run again, over the data that it has left.
    const second = await printed(folder, 'program.ts')
    if (printsAgain !== undefined) expect(second).toBe(printsAgain)
  })

  it.each(tests)('$where passes, in every pool of Vitest', async ({ where, code }) => {
    const folder = newApplication(where.replace(/\W/g, '-'))
    symlinkSync(join(root, 'node_modules', 'vitest'), join(folder, 'node_modules', 'vitest'))
    writeFileSync(join(folder, 'shown.test.ts'), code)
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
    for (const pool of ['forks', 'threads', 'vmForks', 'vmThreads']) {
      const { stdout } = await run(process.execPath, [vitest, 'run', '--pool', pool], {
        cwd: folder,
        timeout: 60_000,
      })
      expect(stdout).toMatch(/Tests .*passed/)
    }
  })
})
