import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * How often the addon that comes with a built package locks a mutex while 100 turns write to a log and wait for it.
 */
export function countLocks(packageRoot: string): number {
  const folder = mkdtempSync(join(tmpdir(), 'forkstore-locks-'))
  try {
    const library = join(folder, 'locks.so')
    const source = fileURLToPath(new URL('../faults/locks.c', import.meta.url))
    execFileSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, source, '-ldl'])
    const count = join(folder, 'count')
    writeFileSync(count, Buffer.alloc(8))
    const program = join(folder, 'program.mjs')
    writeFileSync(
      program,
      `import { open } from ${JSON.stringify(pathToFileURL(join(packageRoot, 'dist/index.js')).href)}
       const store = await open(${JSON.stringify(join(folder, 'data'))}, { engine: 'native', durability: 'commit' })
       for (let turn = 0; turn < 100; turn++) {
         store.map('m').set(turn, { turn })
         await store.commit()
       }
       await store.close()`,
    )
    const env = { ...process.env, LD_PRELOAD: library, FORKSTORE_LOCK_COUNT: count }
    execFileSync(process.execPath, [program], { env, stdio: ['ignore', 'inherit', 'inherit'] })
    return Number(readFileSync(count).readBigUInt64LE())
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
