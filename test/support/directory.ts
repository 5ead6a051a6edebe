import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EngineName } from './engines.js'

/** Names of the generations in a directory, oldest first. */
export function generations(engine: EngineName, directory: string): string[] {
  const name = engine === 'js' ? /^snapshot-\d{20}\.json$/ : /^snapshot-\d{20}\.image$/
  return readdirSync(directory)
    .filter((each) => name.test(each))
    .sort()
}

/** The number in the name of a generation. */
export function generationOf(name: string): number {
  return Number(/\d{20}/.exec(name)![0])
}

export function identityName(engine: EngineName): string {
  return engine === 'js' ? 'identity.json' : 'identity'
}

/** Flips one bit of a file. */
export function damage(directory: string, name: string, at: number | 'middle' = 'middle'): void {
  const bytes = readFileSync(join(directory, name))
  const index = at === 'middle' ? bytes.length >> 1 : at
  bytes[index] = bytes[index]! ^ 1
  writeFileSync(join(directory, name), bytes)
}
