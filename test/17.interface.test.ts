import { describe } from 'vitest'
import { interfaceSuite } from './conformance/interface.js'
import { reportsSuite } from './conformance/reports.js'
import { engines } from './support/engines.js'

describe.each(engines)('what is within reach (%s)', interfaceSuite)
describe.each(engines)('what is shown in messages and reports (%s)', reportsSuite)
