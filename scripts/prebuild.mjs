// Builds the addon that comes with the package, in a folder of its own, as it is linked differently from one that
// an install compiles (native/prebuilt/), and puts it where an installed package looks for it, without its symbols
// for debuggers. The name carries tags that node-gyp-build reads: `napi`, good for every version of Node,
// and `glibc`, so that a system with another C library compiles its own.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const workshop = join(root, 'build', 'prebuilt')
const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`)
const prebuilt = join(folder, 'forkstore.napi.glibc.node')

if (process.platform !== 'linux') {
  console.log(`there is no addon on ${process.platform}: nothing to build`)
} else {
  rmSync(workshop, { recursive: true, force: true })
  mkdirSync(workshop, { recursive: true })
  for (const name of ['binding.gyp', 'package.json', 'native', 'node_modules']) {
    symlinkSync(join(root, name), join(workshop, name))
  }
  execFileSync('node-gyp', ['rebuild', '--', '-Dprebuilt=1'], { cwd: workshop, stdio: 'inherit' })
  // Binaries of an earlier naming must not be packed beside the new one.
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  copyFileSync(join(workshop, 'build', 'Release', 'forkstore.node'), prebuilt)
  execFileSync('strip', ['--strip-unneeded', prebuilt], { stdio: 'inherit' })
  console.log(`${relative(root, prebuilt)}: ${Math.round(statSync(prebuilt).size / 1024)} KiB`)
}
