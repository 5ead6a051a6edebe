import { describe } from 'vitest'
import { mapChangesSuite } from './conformance/map-changes.js'
import { patchSuite } from './conformance/patch.js'
import { engines } from './support/engines.js'

describe.each(engines)('patch (%s)', patchSuite)
describe.each(engines)('update, increment, removed fields, maps (%s)', mapChangesSuite)
