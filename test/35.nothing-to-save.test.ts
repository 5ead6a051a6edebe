import { describe } from 'vitest'
import { nothingToSaveSuite } from './conformance/nothing-to-save.js'
import { engines } from './support/engines.js'

describe.each(engines)('nothing to save (%s)', nothingToSaveSuite)
