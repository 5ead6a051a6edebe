import { describe } from 'vitest'
import { valuesSuite } from './conformance/values.js'
import { engines } from './support/engines.js'

describe.each(engines)('values (%s)', valuesSuite)
