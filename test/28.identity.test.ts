import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe } from 'vitest'
import { identitySuite } from './conformance/identity.js'
import { engines } from './support/engines.js'

// So that views which nobody holds do go.
setFlagsFromString('--expose-gc')
globalThis.gc = runInNewContext('gc') as NodeJS.GCFunction

describe.each(engines)('identity (%s)', identitySuite)
