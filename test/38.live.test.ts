import { describe } from 'vitest'
import { liveSuite } from './conformance/live.js'
import { engines } from './support/engines.js'

describe.each(engines)('live entries (%s)', liveSuite)
