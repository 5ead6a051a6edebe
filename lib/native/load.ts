import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ForkstoreError } from '../errors.js'
import type { NativeBinding } from './binding.js'

let binding: NativeBinding | undefined

/** Loads the addon: the one built here, or else a prebuilt one. Errors: `ERR_FORKSTORE_UNAVAILABLE`. */
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
    throw new ForkstoreError('ERR_FORKSTORE_UNAVAILABLE', 'the native engine cannot be loaded', { cause })
  }
}

/** This file runs as lib/native/load.ts and as dist/native/load.js. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'binding.gyp')) && directory !== dirname(directory))
    directory = dirname(directory)
  return directory
}
