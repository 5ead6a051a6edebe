import { describe } from 'vitest'
import { modelSuite } from './conformance/model.js'
import { engines } from './support/engines.js'

describe.each(engines)('model (%s)', modelSuite)
