import { describe } from 'vitest'
import { treeArraysSuite } from './conformance/tree-arrays.js'
import { engines } from './support/engines.js'

describe.each(engines)('tree: arrays (%s)', treeArraysSuite)
