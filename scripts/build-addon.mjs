// Compiles the addon where it is installed: `npm run build:addon`. A published package has no binding.gyp,
// since package managers would take it for an install script, so it is written here.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
writeFileSync(join(root, 'binding.gyp'), '{ "includes": ["native/addon.gypi"] }\n')
// npm puts node-gyp among the commands of a script.
const { status, error } = spawnSync('node-gyp', ['rebuild'], { cwd: root, stdio: 'inherit' })
if (error !== undefined) console.error(`node-gyp cannot be run (${error.message}): npm run build:addon`)
process.exitCode = status ?? 1
