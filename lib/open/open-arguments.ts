import { readdir, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { ForkstoreError, invalid } from '../base/errors.js'
import { resolveOptions } from './options.js'
import type { ResolvedOptions } from '../store/resolved-options.js'
import { isShortage, isSystemError } from '../base/system.js'
import type { OpenOptions } from '../base/types.js'
import { show } from '../base/option-checks.js'
import { isPlainObject } from '../base/value-errors.js'

/** What `open` was called with, checked. Errors: ERR_FORKSTORE_INVALID_ARGUMENT. */
export function checkArguments(given: readonly unknown[]): {
  path: string | undefined
  options: ResolvedOptions
} {
  const [first, second] = given
  if (given.length === 0) return { path: undefined, options: memoryOnly(undefined) }
  // open(process.env.DATA), with the variable unset, must not open a store in memory, which saves nothing.
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
  // These options are about what is on disk: whoever sets one expects that something is saved.
  if (given?.create !== undefined) throw invalid('create needs a path: a store in memory is always a new one')
  const asked = given?.durability
  if (asked !== undefined && asked !== 'snapshot') {
    throw invalid(`durability '${asked}' needs a path: a store in memory keeps nothing`)
  }
  return { ...options, durability: 'snapshot' }
}

/** Not by instanceof: a URL of another realm (vm, Jest) is of another class. */
function isUrl(value: unknown): value is URL {
  const url = value as Partial<URL> | null
  return typeof value === 'object' && typeof url?.href === 'string' && typeof url.protocol === 'string'
}

/** `http:/`, `https://`, `file:`; but not `C:/`, which is a path on Windows. */
const LIKE_A_URL = /^(file:|[a-z][a-z\d+.-]+:\/)/i

function pathOf(given: string | URL): string {
  let path: string
  if (typeof given === 'string') {
    // Taken for a path, it would make a directory of that name.
    if (LIKE_A_URL.test(given)) {
      throw invalid(
        `path is the text of a URL, ${show(given)}: pass a path, or a file: URL as a URL object (new URL(...)); ` +
          "a directory of that name is './' + name",
      )
    }
    path = given
  } else {
    try {
      path = fileURLToPath(String(given))
    } catch (error) {
      throw invalid(`path must be a string or a file: URL, not ${String(given)}`, { cause: error })
    }
  }
  if (path === '' || path.includes('\0')) throw invalid('path must not be empty and not hold a NUL')
  return resolve(path)
}

function notFound(path: string): ForkstoreError {
  return new ForkstoreError('ERR_FORKSTORE_NOT_FOUND', `there is no store in ${path}, and create is false`)
}

async function notADirectory(path: string, cause: Error): Promise<ForkstoreError> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  )
  const what = isThere ? `${path} is` : `${path} lies below`
  return new ForkstoreError('ERR_FORKSTORE_IO', `${what} a file, which is not a directory`, { cause })
}

const FILES = {
  js: /^(identity\.json|(snapshot|log)-\d{20}\.json)$/,
  native: /^(identity|snapshot-\d{20}\.image|log-\d{20}\.log)$/,
}

/**
 * Looks into the directory before an engine opens it. With files of the other engine in it:
 * ERR_FORKSTORE_VERSION, as an empty store beside that data would look like a loss. Without a store in it,
 * where `create` is false: ERR_FORKSTORE_NOT_FOUND. Where the path is no directory: ERR_FORKSTORE_IO.
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
    if (isSystemError(error, 'ENOTDIR')) throw await notADirectory(path, error)
    // Not the engine's turn yet: it might find descriptors again, and open a directory that was not checked.
    if (isShortage(error)) {
      throw new ForkstoreError('ERR_FORKSTORE_IO', `${path}: ${error.message}`, { cause: error })
    }
    return // there is no directory yet; for any other reason the engine fails too, and says why
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
