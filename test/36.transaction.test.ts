import { describe } from 'vitest'
import { transactionSuite } from './conformance/transaction.js'
import { engines } from './support/engines.js'

describe.each(engines)('transaction (%s)', transactionSuite)
