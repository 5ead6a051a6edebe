import { describe } from 'vitest'
import { reportsSuite } from './conformance/reports.js'
import { engines } from './support/engines.js'

describe.each(engines)('views in reports of tests (%s)', reportsSuite)
