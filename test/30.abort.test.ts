import { describe } from 'vitest'
import { abortSuite } from './conformance/abort.js'
import { engines } from './support/engines.js'

describe.each(engines)('snapshots that are not waited for (%s)', abortSuite)
