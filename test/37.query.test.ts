import { describe } from 'vitest'
import { queryChangesSuite } from './conformance/query-changes.js'
import { queryMethodsSuite } from './conformance/query-methods.js'
import { queryResultsSuite } from './conformance/query-results.js'
import { querySuite } from './conformance/query.js'
import { engines } from './support/engines.js'

describe.each(engines)('query (%s)', querySuite)
describe.each(engines)('query, while things change (%s)', queryChangesSuite)
describe.each(engines)('what comes out of queries (%s)', queryResultsSuite)
describe.each(engines)('order, groups and extremes (%s)', queryMethodsSuite)
