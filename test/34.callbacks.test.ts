import { describe } from 'vitest'
import { callbacksSuite } from './conformance/callbacks.js'
import { engines } from './support/engines.js'

describe.each(engines)('callbacks (%s)', callbacksSuite)
