// Run by 42.native.test.ts and 43.native-tree.test.ts in a process where code generation from strings is forbidden.
import { generateReader } from '../../lib/engines/native/codec/readers.js'
import { nativeEngine } from './native-engine.js'
import { checkMapPrograms } from './native-programs.js'
import { checkTreePrograms } from './native-tree-programs.js'

async function main(): Promise<void> {
  if (generateReader(['a']) !== undefined)
    throw new Error('code generation works here: nothing would be tested')
  for (const windows of [true, false]) {
    const engine = await nativeEngine({ windows })
    if (process.argv[2] === 'tree') checkTreePrograms(engine, 60)
    else checkMapPrograms(engine, 100)
    await engine.close()
  }
  console.log('same results')
}

void main()
