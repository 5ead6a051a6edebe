import { describe } from 'vitest'
import { lockSuite } from './conformance/lock.js'
import { engines } from './support/engines.js'

describe.each(engines)('lock (%s)', lockSuite)
