import { describe } from 'vitest'
import { treeArraysSuite } from './conformance/tree-arrays.js'
import { treeLongArraysSuite } from './conformance/tree-long-arrays.js'
import { engines } from './support/engines.js'

describe.each(engines)('tree: arrays (%s)', treeArraysSuite)
describe.each(engines)('tree: long arrays (%s)', treeLongArraysSuite)
