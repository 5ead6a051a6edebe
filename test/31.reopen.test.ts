import { describe } from 'vitest'
import { reopenSuite } from './conformance/reopen.js'
import { engines } from './support/engines.js'

describe.each(engines)('reopen (%s)', reopenSuite)
