import { describe } from 'vitest'
import { mapSuite } from './conformance/map.js'
import { engines } from './support/engines.js'

describe.each(engines)('map (%s)', mapSuite)
