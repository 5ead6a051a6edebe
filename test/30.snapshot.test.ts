import { describe } from 'vitest'
import { snapshotSuite } from './conformance/snapshot.js'
import { engines } from './support/engines.js'

describe.each(engines)('snapshot (%s)', snapshotSuite)
