import { describe } from 'vitest'
import { viewCacheSizes } from '../../lib/views/view-cache.js'
import { queryChangesSuite } from '../conformance/query-changes.js'
import { querySuite } from '../conformance/query.js'
import { treeModelSuite } from '../conformance/tree-model.js'
import { twoViewsSuite } from '../conformance/two-views.js'
import { engines } from '../support/engines.js'

// In a process of its own: here nearly every read makes another view, and one node has many.
Object.assign(viewCacheSizes, { recent: 4, page: 2, mostPagedInATurn: 8 })

describe.runIf(engines.includes('native'))('a tiny cache of views', () => {
  treeModelSuite('native', true)
  querySuite('native')
  queryChangesSuite('native')
  twoViewsSuite()
})
