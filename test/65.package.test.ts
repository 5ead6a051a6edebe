import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readVersionNeeds } from './elf.js'
import { countLocks } from './support/lock-count.js'

// What users get: the tarball that `npm pack` makes, installed in an empty folder. Everything happens in
// copies, so that neither the checkout nor tests that run at the same time are disturbed.

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'forkstore-package-'))
const staging = join(folder, 'staging')
const application = join(folder, 'application')
const typescript = createRequire(import.meta.url).resolve('typescript/bin/tsc')

interface Ran {
  code: number
  stdout: string
  stderr: string
}

function run(
  cwd: string,
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr })
    })
  })
}

async function succeed(cwd: string, command: string, ...args: string[]): Promise<string> {
  const ran = await run(cwd, command, args)
  if (ran.code !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran.stdout
}

interface Packed {
  tarball: string
  files: string[]
}

async function pack(destination: string): Promise<Packed> {
  mkdirSync(destination)
  const json = await succeed(
    staging,
    'npm',
    'pack',
    '--ignore-scripts',
    '--json',
    '--pack-destination',
    destination,
  )
  const [{ filename, files }] = JSON.parse(json) as [{ filename: string; files: { path: string }[] }]
  return { tarball: join(destination, filename), files: files.map(({ path }) => path).sort() }
}

function newApplication(path: string): void {
  mkdirSync(path)
  writeFileSync(
    join(path, 'package.json'),
    JSON.stringify({ name: 'application', private: true, type: 'module' }),
  )
}

const installOptions = ['install', '--prefer-offline', '--no-audit', '--no-fund']

let packed: Packed
let packedWithoutAddon: Packed

beforeAll(async () => {
  mkdirSync(staging)
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] }
  const sources = [
    'package.json',
    'binding.gyp',
    'scripts',
    'test',
    'tsconfig.json',
    'tsconfig.build.json',
    'README.md',
    'LICENSE',
    ...files,
  ]
  for (const name of sources) {
    if (name.startsWith('!') || name === 'dist' || name === 'prebuilds') continue
    cpSync(join(root, name), join(staging, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(staging, 'node_modules'))
  await succeed(staging, 'npm', 'run', 'build:ts')
  packedWithoutAddon = await pack(join(folder, 'without-addon'))

  await succeed(staging, 'npm', 'run', 'build:prebuilt')
  packed = await pack(join(folder, 'with-addon'))

  newApplication(application)
  await succeed(application, 'npm', ...installOptions, '--ignore-scripts', packed.tarball)
}, 600_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function program(path: string, name: string, source: string): string {
  const file = join(path, name)
  writeFileSync(file, source)
  return file
}

describe('the tarball', () => {
  it('holds what is needed to run and to compile, and nothing else', () => {
    for (const needed of [
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/js.js',
      'dist/js.d.ts',
      'native/addon.gypi',
      'scripts/build-addon.mjs',
      'native/binding/addon.cc',
      `prebuilds/linux-${process.arch}/forkstore.napi.glibc.node`,
    ]) {
      expect(packed.files).toContain(needed)
    }
    const allowed =
      /^(dist|lib|native|docs|prebuilds)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md|scripts\/build-addon\.mjs)$/
    const forbidden =
      /(^|\/)(test|bench|examples|testing|fuzz|node_modules|build)\/|_test\.cc$|CMakeLists|\.cmake$|\.test\./
    expect(packed.files.filter((file) => !allowed.test(file) || forbidden.test(file))).toEqual([])
  })

  it('has nothing that a package manager takes for an install script', () => {
    const { gypfile, scripts } = JSON.parse(
      readFileSync(join(application, 'node_modules/forkstore/package.json'), 'utf8'),
    ) as { gypfile: boolean; scripts: Record<string, string> }
    expect(gypfile).toBe(false)
    expect(scripts).not.toHaveProperty('preinstall')
    expect(scripts).not.toHaveProperty('install')
    expect(scripts).not.toHaveProperty('postinstall')
    expect(packed.files).not.toContain('binding.gyp')
  })

  it('holds every source that the addon is compiled from', async () => {
    const listed = await succeed(
      staging,
      process.execPath,
      '-p',
      `['base','memory','data/value','data/map','data/node','data/tree','engine','files','image','log','store','binding'].flatMap((name) => fs.readdirSync('native/' + name)
        .filter((file) => /\\.(cc|h)$/.test(file) && !file.endsWith('_test.cc'))
        .map((file) => 'native/' + name + '/' + file)).join(' ')`,
    )
    for (const file of listed.trim().split(' ')) expect(packed.files).toContain(file)
  })

  it('maps to sources that it holds, or to none', () => {
    for (const file of packed.files.filter((name) => name.endsWith('.map'))) {
      const map = JSON.parse(readFileSync(join(staging, file), 'utf8')) as {
        sources: string[]
        sourcesContent?: string[]
      }
      if (map.sourcesContent !== undefined) continue
      for (const source of map.sources) expect(packed.files).toContain(join(dirname(file), source))
    }
  })
})

describe('the prebuilt addon', () => {
  it('needs no C library newer than 2.28 and no C++ library', () => {
    const addon = join(
      application,
      'node_modules/forkstore/prebuilds',
      `linux-${process.arch}`,
      'forkstore.napi.glibc.node',
    )
    const needs = readVersionNeeds(readFileSync(addon))
    expect(needs.length).toBeGreaterThan(0)
    const refused = needs.filter(({ version }) => {
      const [, major, minor] = /^GLIBC_(\d+)\.(\d+)/.exec(version) ?? []
      if (major === undefined) return /^(GLIBCXX|CXXABI|GCC)_/.test(version)
      return Number(major) > 2 || Number(minor) > 28
    })
    expect(refused).toEqual([])
    expect(needs.map(({ library }) => library).filter((library) => library.includes('stdc++'))).toEqual([])
  })

  it('has locks that lock', () => {
    expect(countLocks(join(application, 'node_modules/forkstore'))).toBeGreaterThan(300)
  })
})

describe('the installed package, no install script run', () => {
  it('opens, saves and opens again with the native engine', async () => {
    const file = program(
      application,
      'native.mjs',
      `import { open } from 'forkstore'
       const first = await open('./native-data', { engine: 'native' })
       first.map('users').set('ada@example.com', { name: 'Ada', visits: 1 })
       const { generation, entries } = await first.snapshot()
       await first.close()
       const second = await open('./native-data', { engine: 'native' })
       second.map('users').increment('ada@example.com', 'visits')
       console.log(JSON.stringify([second.stats().engine, entries, generation > 0, second.map('users').get('ada@example.com')]))
       await second.close()`,
    )
    expect(JSON.parse(await succeed(application, process.execPath, file))).toEqual([
      'native',
      1,
      true,
      { name: 'Ada', visits: 2 },
    ])
  })

  it('offers the pure JavaScript engine under a path of its own', async () => {
    const file = program(
      application,
      'pure.mjs',
      `import { open } from 'forkstore/js'
       const store = await open()
       store.map('m').set('key', [1, 2n])
       console.log(store.stats().engine, store.map('m').get('key'))
       await store.close()`,
    )
    expect(await succeed(application, process.execPath, file)).toBe('js [ 1, 2n ]\n')
  })

  it('can be loaded by require, where Node can require modules', async () => {
    const file = program(
      application,
      'common.cjs',
      `const { open } = require('forkstore')
       open().then(async (store) => { console.log(store.map('m').size); await store.close() })`,
    )
    expect(await succeed(application, process.execPath, '--no-warnings', file)).toBe('0\n')
  })

  it('has types that a strict program compiles against', async () => {
    const source = (
      visits: string,
    ) => `import { open, ForkstoreError, type Store, type SnapshotResult } from 'forkstore'
      type User = { name: string; visits: number }
      export async function main(): Promise<void> {
      const store: Store = await open('./data', { snapshot: { everyMs: 1000 } })
      const users = store.map<string, User>('users')
      users.set('a', { name: 'A', visits: ${visits} })
      const visits: number = users.increment('a', 'visits')
      const result: SnapshotResult = await store.snapshot()
      store.on('snapshot-error', (error: Error) => console.log(error instanceof ForkstoreError && error.code))
      console.log(visits, result.pauseMs)
      await store.close()
      }`
    const compile = async (visits: string, checkLibraries: boolean) => {
      const file = program(application, 'typed.mts', source(visits))
      const types = [
        '--typeRoots',
        join(root, 'node_modules/@types'),
        '--types',
        'node',
        '--skipLibCheck',
        String(!checkLibraries),
      ]
      const target = [
        '--target',
        'es2020',
        '--lib',
        'es2020',
        '--module',
        checkLibraries ? 'esnext' : 'nodenext',
        '--moduleResolution',
        checkLibraries ? 'bundler' : 'nodenext',
        '--exactOptionalPropertyTypes',
        '--isolatedModules',
        '--verbatimModuleSyntax',
      ]
      return run(application, process.execPath, [
        typescript,
        '--noEmit',
        '--strict',
        ...target,
        ...types,
        file,
      ])
    }
    expect(await compile('1', true)).toMatchObject({ code: 0, stdout: '' })
    expect((await compile(`'1'`, false)).stdout).toContain("Type 'string' is not assignable to type 'number'")
  })

  it('runs the first program of the README', async () => {
    const readme = readFileSync(join(application, 'node_modules/forkstore/README.md'), 'utf8')
    const source = /```(?:js|ts)\n([^]*?)```/.exec(readme)![1]!
    const file = program(application, 'readme.mjs', source)
    const ran = [1, 2].map((visits) => `1 user, ${visits} visits\n`)
    for (const expected of ran) expect(await succeed(application, process.execPath, file)).toBe(expected)
  })
})

describe('an install without compiler and without prebuilt addon', () => {
  const bare = join(folder, 'bare')
  const path = join(folder, 'bin')

  beforeAll(async () => {
    newApplication(bare)
    mkdirSync(path)
    symlinkSync(process.execPath, join(path, 'node'))
    for (const name of ['sh', 'env', 'uname']) symlinkSync(join('/bin', name), join(path, name))
    const npm = (await succeed(root, 'sh', '-c', 'command -v npm')).trim()
    symlinkSync(realpathSync(npm), join(path, 'npm'))
  })

  const poorEnvironment = (): NodeJS.ProcessEnv => {
    // What npm set for this run (its own folders are among the places where commands are looked for) must not help.
    const kept = Object.entries(process.env).filter(
      ([name]) => !/^(npm_|CC$|CXX$|PYTHON$|NODE_PATH$)/i.test(name),
    )
    return { ...Object.fromEntries(kept), PATH: path }
  }

  it('succeeds', async () => {
    const args = [...installOptions, '--foreground-scripts', packedWithoutAddon.tarball]
    const { code, stdout, stderr } = await run(bare, join(path, 'npm'), args, poorEnvironment())
    expect(code, stdout + stderr).toBe(0)
  })

  it('falls back to JavaScript with a warning', async () => {
    const file = program(
      bare,
      'fallback.mjs',
      `import { open } from 'forkstore'
       const warnings = []
       for (let visits = 1; visits <= 2; visits++) {
         const store = await open('./data')
         store.on('warning', (warning) => warnings.push(warning.message))
         store.map('m').getOrInsert('key', { visits: 0 })
         console.log(store.engine, store.map('m').increment('key', 'visits'))
         await store.close()
       }
       console.log(warnings.length, warnings[0])`,
    )
    const { code, stdout, stderr } = await run(bare, process.execPath, [file], poorEnvironment())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^js 1\njs 2\n2 the native engine cannot run here, forkstore\/js is used/)
  })

  it('refuses the native engine with a typed error', async () => {
    const file = program(
      bare,
      'refused.mjs',
      `import { open } from 'forkstore'
       await open('./other', { engine: 'native' }).then(() => console.log('opened'), (error) => console.log(error.code))`,
    )
    expect(await succeed(bare, process.execPath, file)).toBe('ERR_FORKSTORE_UNAVAILABLE\n')
  })
})

describe('a clone installed without development dependencies', () => {
  it('installs, and says that dist/ was not made', async () => {
    const clone = join(folder, 'clone')
    cpSync(join(staging, 'scripts'), join(clone, 'scripts'), { recursive: true })
    cpSync(join(staging, 'package.json'), join(clone, 'package.json'))
    const { code, stderr } = await run(clone, process.execPath, ['scripts/prepare.mjs'])
    expect(code).toBe(0)
    expect(stderr).toContain('dist/ was not made')
  })
})
