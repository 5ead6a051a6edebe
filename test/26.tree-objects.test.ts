import { describe } from 'vitest'
import { treeObjectsSuite } from './conformance/tree-objects.js'
import { engines } from './support/engines.js'

describe.each(engines)('tree: objects (%s)', treeObjectsSuite)
