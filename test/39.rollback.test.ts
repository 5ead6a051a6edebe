import { describe } from 'vitest'
import { rollbackSuite } from './conformance/rollback.js'
import { engines } from './support/engines.js'

describe.each(engines)('rollback under way (%s)', rollbackSuite)
