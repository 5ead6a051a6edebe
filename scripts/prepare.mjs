// Runs after `npm ci` in a clone: makes dist/. An install without development dependencies has no
// compiler for TypeScript; that must not make the install fail.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

function findTypescript() {
  try {
    return createRequire(join(root, 'package.json')).resolve('typescript/bin/tsc')
  } catch {
    return undefined
  }
}

const tsc = findTypescript()
if (tsc === undefined) {
  console.warn('forkstore: typescript is not installed (--omit=dev), so dist/ was not made')
} else {
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
}
