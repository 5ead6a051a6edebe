// Copies the addon that node-gyp built to where an installed package looks for it, without its symbols
// for debuggers. The name carries tags that node-gyp-build reads: `napi`, good for every version of Node,
// and `glibc`, so that a system with another C library compiles its own.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const built = join(root, 'build', 'Release', 'forkstore.node')
const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`)
const prebuilt = join(folder, 'forkstore.napi.glibc.node')

if (process.platform !== 'linux') {
  console.log(`there is no addon on ${process.platform}: nothing to copy`)
} else if (!existsSync(built)) {
  console.error(`${relative(root, built)} is missing: run "npm run build" first`)
  process.exitCode = 1
} else {
  // Binaries of an earlier naming must not be packed beside the new one.
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  copyFileSync(built, prebuilt)
  execFileSync('strip', ['--strip-unneeded', prebuilt], { stdio: 'inherit' })
  console.log(`${relative(root, prebuilt)}: ${Math.round(statSync(prebuilt).size / 1024)} KiB`)
}
