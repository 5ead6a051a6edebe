import { describe } from 'vitest'
import { abortSuite } from './conformance/abort.js'
import { snapshotSuite } from './conformance/snapshot.js'
import { engines } from './support/engines.js'

describe.each(engines)('snapshot (%s)', snapshotSuite)
describe.each(engines)('snapshots that are not waited for (%s)', abortSuite)
