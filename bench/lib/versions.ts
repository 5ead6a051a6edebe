import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What is measured beside each other, in which versions: by contenders' names. */
export function versionsOf(contenders: string[]): Record<string, string> {
  const has = (...starts: string[]): boolean =>
    contenders.some((name) => starts.some((start) => name.startsWith(start)))
  const peers = jsonOf('../../package.json').dependencies
  return {
    ...(has('forkstore', 'twin', 'tree') ? { forkstore: jsonOf('../../../package.json').version } : {}),
    ...(has('lmdb') ? { lmdb: peers['lmdb']! } : {}),
    ...(has('sqlite') ? { 'better-sqlite3': peers['better-sqlite3']! } : {}),
    ...(has('megahash') ? { MegaHash: peers['megahash']! } : {}),
    ...(has('redis') ? redisVersion() : {}),
  }
}

/** From bench/build/lib/. */
function jsonOf(path: string): { version: string; dependencies: Record<string, string> } {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
    version: string
    dependencies: Record<string, string>
  }
}

/** A Redis that is missing has failed its cases, and is told of there. */
function redisVersion(): Record<string, string> {
  try {
    const [, version] =
      /v=([\d.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' })) ?? []
    return version === undefined ? {} : { Redis: version }
  } catch {
    return {}
  }
}
