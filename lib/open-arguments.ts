import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { inspect } from 'node:util'
import { ForkstoreError } from './errors.js'
import { resolveOptions, type ResolvedOptions } from './options.js'
import type { OpenOptions } from './types.js'

/** What `open` was called with, checked. Errors: ERR_FORKSTORE_INVALID_ARGUMENT. */
export function checkArguments(
  first: string | OpenOptions | undefined,
  second: OpenOptions | undefined,
): { path: string | undefined; options: ResolvedOptions } {
  const isPathFirst = first === undefined || typeof first === 'string'
  if (!isPathFirst && (typeof first !== 'object' || first === null || second !== undefined)) {
    throw new ForkstoreError(
      'ERR_FORKSTORE_INVALID_ARGUMENT',
      `path must be a string, not ${inspect(first, { depth: 0 })}`,
    )
  }
  const options = resolveOptions(isPathFirst ? second : first)
  if (!isPathFirst || first === undefined) return { path: undefined, options }
  if (first === '' || first.includes('\0')) {
    throw new ForkstoreError('ERR_FORKSTORE_INVALID_ARGUMENT', 'path must not be empty and not hold a NUL')
  }
  return { path: resolve(first), options }
}

const FILES = {
  js: /^(identity\.json|snapshot-\d{20}\.json)$/,
  native: /^(identity|snapshot-\d{20}\.image)$/,
}

/** Never an empty store beside the data of the other engine. Errors: ERR_FORKSTORE_VERSION. */
export async function refuseOtherEngine(path: string | undefined, engine: 'native' | 'js'): Promise<void> {
  if (path === undefined) return
  let names: string[]
  try {
    names = await readdir(path)
  } catch {
    return // no directory yet; any other reason is told by the engine
  }
  const other = engine === 'js' ? 'native' : 'js'
  const found = names.find((name) => FILES[other].test(name))
  if (found === undefined) return
  throw new ForkstoreError(
    'ERR_FORKSTORE_VERSION',
    `${path} holds a store of the ${other} engine (${found}): open it with engine: '${other}'`,
  )
}
