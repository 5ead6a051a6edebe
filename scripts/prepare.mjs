// Runs after `npm ci` in a clone, never where the published package is installed: builds the addon where none
// can be loaded, and dist/. Neither a missing C++ compiler nor a missing TypeScript (an install without
// development dependencies) makes the install fail.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const require = createRequire(join(root, 'package.json'))

/** Whether there is an addon that can be loaded, or now is. */
function hasAddon() {
  try {
    require('node-gyp-build')(root)
    return true
  } catch {
    return spawnSync('npm', ['run', 'build:addon'], { cwd: root, stdio: 'inherit' }).status === 0
  }
}

function findTypescript() {
  try {
    return require.resolve('typescript/bin/tsc')
  } catch {
    return undefined
  }
}

if (!hasAddon()) {
  console.warn("forkstore: the addon was not built; engine 'auto' falls back to forkstore/js")
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
