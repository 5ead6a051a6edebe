import { describe } from 'vitest'
import { iterationSuite } from './conformance/iteration.js'
import { engines } from './support/engines.js'

describe.each(engines)('iteration (%s)', iterationSuite)
