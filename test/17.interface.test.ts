import { describe } from 'vitest'
import { interfaceSuite } from './conformance/interface.js'
import { engines } from './support/engines.js'

describe.each(engines)('what is within reach (%s)', interfaceSuite)
