/** Opens what the killed server left behind and compares it with the evidence. */
import { open } from 'forkstore'
import { judge } from './oracle.js'
import type { CheckOptions, Evidence, FromCheck } from './model.js'
import { startRole } from './role.js'

const role = startRole<CheckOptions, Evidence, FromCheck>()
const { folder, engine } = role.options

role.receive(async (evidence) => {
  const started = performance.now()
  const store = await open(folder, { engine, snapshot: false, durability: 'snapshot' })
  const openMs = performance.now() - started
  const verdict = { engine, openMs, ...judge(store, evidence) }
  await role.send({ type: 'verdict', verdict })
  await store.close()
  process.disconnect()
})
