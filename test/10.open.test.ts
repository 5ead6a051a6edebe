import { describe } from 'vitest'
import { openSuite } from './conformance/open.js'
import { engines } from './support/engines.js'

describe.each(engines)('open (%s)', openSuite)
