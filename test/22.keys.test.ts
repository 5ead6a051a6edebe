import { describe } from 'vitest'
import { keysSuite } from './conformance/keys.js'
import { engines } from './support/engines.js'

describe.each(engines)('keys (%s)', keysSuite)
