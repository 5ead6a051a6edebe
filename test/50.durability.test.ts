import { describe } from 'vitest'
import { durabilitySuite } from './conformance/durability.js'
import { logCollectionsSuite } from './conformance/log-collections.js'
import { logDamageSuite } from './conformance/log-damage.js'
import { engines } from './support/engines.js'

describe.each(engines)('durability (%s)', durabilitySuite)
describe.each(engines)('a log that is torn or damaged (%s)', logDamageSuite)
describe.each(engines)('a log of all collections (%s)', logCollectionsSuite)
