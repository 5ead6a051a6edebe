// A large value where the process may not have much more memory: reports what became of it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { open } from '../../dist/index.js'

const store = await open({ engine: 'native', maxBytes: 2 ** 30 })
const map = store.map('m')
map.set('small', 1)
const large = new Uint8Array(400 * 2 ** 20)
const [, kib] = /VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))
execFileSync('prlimit', ['--pid', String(process.pid), `--as=${Number(kib) * 1024 + 200 * 2 ** 20}`])
let code
try {
  map.set('large', large)
} catch (error) {
  code = error.code
}
map.set('next', 'x'.repeat(100_000))
const answer = [code, map.has('large'), map.get('small'), map.get('next').length]
await store.close()
process.send(answer, () => process.disconnect())
