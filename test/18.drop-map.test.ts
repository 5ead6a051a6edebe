import { describe } from 'vitest'
import { dropMapSuite } from './conformance/drop-map.js'
import { engines } from './support/engines.js'

describe.each(engines)('dropping maps (%s)', dropMapSuite)
