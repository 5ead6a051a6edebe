import { describe } from 'vitest'
import { treeModelSuite } from './conformance/tree-model.js'
import { engines } from './support/engines.js'

describe.each(engines)('tree: model (%s)', (engine) => treeModelSuite(engine))
