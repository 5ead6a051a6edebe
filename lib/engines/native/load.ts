import { createRequire } from 'node:module'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ForkstoreError } from '../../base/errors.js'
import { isShortage } from '../../base/system.js'
import type { NativeBinding } from './binding.js'

let binding: NativeBinding | undefined

/**
 * Loads the addon: the one built here, or else a prebuilt one. Errors: `ERR_FORKSTORE_UNAVAILABLE`;
 * `ERR_FORKSTORE_IO` where descriptors or memory are short, which may be otherwise the next time.
 */
export function loadBinding(): NativeBinding {
  if (binding !== undefined) return binding
  if (process.platform !== 'linux') {
    throw new ForkstoreError(
      'ERR_FORKSTORE_UNAVAILABLE',
      `the native engine runs on Linux, not on ${process.platform}`,
    )
  }
  try {
    const load = createRequire(import.meta.url)('node-gyp-build') as (root: string) => NativeBinding
    return (binding = load(packageRoot()))
  } catch (cause) {
    const shortage = shortageBehind(cause)
    if (shortage !== undefined) {
      const message = `the native engine cannot be loaded now: ${shortage.message}`
      throw new ForkstoreError('ERR_FORKSTORE_IO', message, { cause: shortage })
    }
    const message =
      'the native engine cannot be loaded; where no prebuilt binary fits, ' +
      '`npm run build:addon --prefix node_modules/forkstore` compiles it'
    throw new ForkstoreError('ERR_FORKSTORE_UNAVAILABLE', message, { cause })
  }
}

function shortageBehind(error: unknown): Error | undefined {
  if (isShortage(error)) return error
  // The dynamic linker's words, which have no code of their own.
  if (error instanceof Error && /Too many open files|Cannot allocate memory/.test(error.message)) return error
  // node-gyp-build takes a folder that it cannot read for one that is not there.
  try {
    readdirSync(packageRoot())
  } catch (cause) {
    if (isShortage(cause)) return cause
  }
  return undefined
}

/** This file runs as lib/engines/native/load.ts and as dist/native/load.js. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'native', 'addon.gypi')) && directory !== dirname(directory))
    directory = dirname(directory)
  return directory
}
