import { describe } from 'vitest'
import { querySuite } from './conformance/query.js'
import { engines } from './support/engines.js'

describe.each(engines)('query (%s)', querySuite)
