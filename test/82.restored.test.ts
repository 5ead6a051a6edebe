import { describe } from 'vitest'
import { testRestored } from './conformance/restored.js'
import { engines } from './support/engines.js'

describe.each(engines)('restored backups (%s)', testRestored)
