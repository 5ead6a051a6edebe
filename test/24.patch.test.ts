import { describe } from 'vitest'
import { patchSuite } from './conformance/patch.js'
import { engines } from './support/engines.js'

describe.each(engines)('patch (%s)', patchSuite)
