// Run by 40.codec.test.ts in a process where code generation from strings is forbidden.
import { generateReader } from '../../lib/engines/native/codec/readers.js'
import { checkCodec } from './codec-check.js'

if (generateReader(['a']) !== undefined)
  throw new Error('code generation works here: nothing would be tested')
checkCodec({}, 2000)
checkCodec({ windows: false }, 1000)
console.log('same results')
