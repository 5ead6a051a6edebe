import { open } from '../../lib/index.js'
import type { OpenOptions, Store } from '../../lib/index.js'

export type EngineName = 'js' | 'native'

/**
 * The engines that every conformance suite runs over. On Linux the native one must run: there, failing to
 * load it fails the tests.
 */
export const engines: readonly EngineName[] =
  process.platform === 'linux' || (await runsNative()) ? ['js', 'native'] : ['js']

async function runsNative(): Promise<boolean> {
  try {
    await (await open({ engine: 'native' })).close()
    return true
  } catch {
    return false
  }
}

/** Memory only, or a directory; the address space is small, since tests open many. */
export function openEngine(engine: EngineName, path?: string, options: OpenOptions = {}): Promise<Store> {
  const all = { maxBytes: 2 ** 30, ...options, engine }
  return path === undefined ? open(all) : open(path, all)
}
