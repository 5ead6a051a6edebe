import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { ForkstoreError, invalid } from '../base/errors.js'
import { resolveOptions } from './options.js'
import type { ResolvedOptions } from '../store/resolved-options.js'
import { isShortage, isSystemError } from '../base/system.js'
import type { OpenOptions } from '../base/types.js'
import { isPlainObject } from '../base/value-errors.js'

/** What `open` was called with, checked. Errors: ERR_FORKSTORE_INVALID_ARGUMENT. */
export function checkArguments(given: readonly unknown[]): {
  path: string | undefined
  options: ResolvedOptions
} {
  const [first, second] = given
  if (given.length === 0) return { path: undefined, options: memoryOnly(undefined) }
  // Nobody whose variable is unset shall find his data in memory only.
  if (first === undefined) {
    throw invalid('path is undefined: for a store in memory only, call open() or open({ ...options })')
  }
  if (typeof first === 'string' || isUrl(first)) {
    return { path: pathOf(first), options: resolveOptions(second as OpenOptions | undefined) }
  }
  if (typeof first !== 'object' || first === null || !isPlainObject(first)) {
    throw invalid(`path must be a string or a file: URL, not ${inspect(first, { depth: 0 })}`)
  }
  if (second !== undefined) throw invalid('options come last: open(path, options) or open(options)')
  return { path: undefined, options: memoryOnly(first) }
}

function memoryOnly(given: OpenOptions | undefined): ResolvedOptions {
  const options = resolveOptions(given)
  // Who asks for it has data that matters.
  if (given?.create !== undefined) throw invalid('create needs a path: a store in memory is always a new one')
  const asked = given?.durability
  if (asked !== undefined && asked !== 'snapshot') {
    throw invalid(`durability '${asked}' needs a path: a store in memory keeps nothing`)
  }
  return { ...options, durability: 'snapshot' }
}

/** Of whatever realm. */
function isUrl(value: unknown): value is URL {
  const url = value as Partial<URL> | null
  return typeof value === 'object' && typeof url?.href === 'string' && typeof url.protocol === 'string'
}

/** A URL as a text is meant as a URL, not as a directory named `file:`. */
function pathOf(given: string | URL): string {
  let path: string
  try {
    path = typeof given === 'string' && !/^file:\/\//i.test(given) ? given : fileURLToPath(String(given))
  } catch (error) {
    throw invalid(`path must be a string or a file: URL, not ${String(given)}`, { cause: error })
  }
  if (path === '' || path.includes('\0')) throw invalid('path must not be empty and not hold a NUL')
  return resolve(path)
}

function notFound(path: string): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_NOT_FOUND', `there is no store in ${path}, and create is false`)
}

const FILES = {
  js: /^(identity\.json|(snapshot|log)-\d{20}\.json)$/,
  native: /^(identity|snapshot-\d{20}\.image|log-\d{20}\.log)$/,
}

/**
 * Never an empty store beside the data of the other engine, nor one where none is to be made. Errors:
 * ERR_FORKSTORE_VERSION, ERR_FORKSTORE_NOT_FOUND.
 */
export async function checkDirectory(
  path: string | undefined,
  engine: 'native' | 'js',
  { create }: { create: boolean },
): Promise<void> {
  if (path === undefined) return
  let names: string[]
  try {
    names = await readdir(path)
  } catch (error) {
    if (!create && isSystemError(error, 'ENOENT')) throw notFound(path)
    // What is there is not known, and the engine may have more luck.
    if (isShortage(error)) {
      throw new ForkstoreError('ERR_FORKSTORE_IO', `${path}: ${error.message}`, { cause: error })
    }
    return // no directory yet; any other reason is told by the engine
  }
  if (!create && !names.some((name) => FILES.js.test(name) || FILES.native.test(name))) throw notFound(path)
  const other = engine === 'js' ? 'native' : 'js'
  const found = names.find((name) => FILES[other].test(name))
  if (found === undefined) return
  throw new ForkstoreError(
    'ERR_FORKSTORE_VERSION',
    `${path} holds a store of the ${other} engine (${found}): open it with engine: '${other}'`,
  )
}
