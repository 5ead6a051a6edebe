import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync, ftruncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

/** What the plan does at its nth call; the numbers of test/faults/shim.c. */
export const Action = {
  failOnce: 1,
  failForGood: 2,
  shortOnce: 3,
  killParent: 4,
  killChild: 5,
  killBoth: 6,
} as const

const field = {
  armed: 0,
  action: 4,
  error: 8,
  nth: 12,
  calls: 16,
  struck: 20,
  parent: 24,
  child: 28,
  name: 32,
  only: 64,
  hold: 96,
}

// Of one test file: the library and all plans. Goes when the file's tests have ended, however they did. Not
// on 'exit', which the workers of vitest do not live to see.
let folder: string | undefined
let built: string | undefined
let plans = 0

afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  folder = built = undefined
})

function inFolder(name: string): string {
  folder ??= mkdtempSync(join(tmpdir(), 'forkstore-shim-'))
  return join(folder, name)
}

/** Compiles the LD_PRELOAD library; the path of the result. */
export function buildShim(): string {
  if (built !== undefined) return built
  const library = inFolder('shim.so')
  const source = fileURLToPath(new URL('../faults/shim.c', import.meta.url))
  execFileSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, source, '-ldl'])
  return (built = library)
}

/** The plan that a process under the shim follows: a small file that both sides map or write. */
export class FaultPlan {
  readonly path: string
  readonly #fd: number

  constructor() {
    this.path = inFolder(`plan-${++plans}`)
    this.#fd = openSync(this.path, 'w+')
    ftruncateSync(this.#fd, 4096)
  }

  /** What a child process needs in its environment. */
  get environment(): Record<string, string> {
    return { LD_PRELOAD: buildShim(), FORKSTORE_FAULT_PLAN: this.path }
  }

  /** `only`: counts and strikes calls of that name alone. */
  arm(action: number, nth: number, error: number, parent: number, only = ''): void {
    this.#write(field.armed, 0)
    this.#write(field.action, action)
    this.#write(field.error, error)
    this.#write(field.nth, nth)
    this.#write(field.calls, 0)
    this.#write(field.struck, 0)
    this.#write(field.parent, parent)
    writeSync(this.#fd, Buffer.alloc(32), 0, 32, field.name)
    writeSync(this.#fd, Buffer.from(only.padEnd(32, '\0')), 0, 32, field.only)
    this.#write(field.armed, 1)
  }

  /** Snapshot children of `parent` wait at their first call, a minute at most, until they are let go. */
  holdChild(parent: number): void {
    this.#write(field.parent, parent)
    this.#write(field.hold, 1)
  }

  letGo(): void {
    this.#write(field.hold, 0)
  }

  disarm(): void {
    this.#write(field.armed, 0)
  }

  /** Name of the call that was struck, or undefined. */
  get struck(): string | undefined {
    if (this.#read(field.struck) === 0) return undefined
    const name = Buffer.alloc(32)
    readSync(this.#fd, name, 0, 32, field.name)
    return name.toString('latin1').replace(/\0.*$/s, '')
  }

  get calls(): number {
    return this.#read(field.calls)
  }

  /** Pid of the last snapshot child, 0 before the first. */
  get child(): number {
    return this.#read(field.child)
  }

  close(): void {
    closeSync(this.#fd)
    rmSync(this.path, { force: true })
  }

  #write(at: number, number: number): void {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32LE(number)
    writeSync(this.#fd, bytes, 0, 4, at)
  }

  #read(at: number): number {
    const bytes = Buffer.alloc(4)
    readSync(this.#fd, bytes, 0, 4, at)
    return bytes.readInt32LE()
  }
}
