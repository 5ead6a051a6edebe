/**
 * Keys for the demo: names that look like those of npm packages, made from a number. Every number
 * gives another name, and neighbours share little, so that the keys are as spread as real ones.
 *
 * With FORKSTORE_DEMO_NAMES=FILE the keys are the names in that file: a JSON array of strings, such as
 * the package `all-the-package-names` holds.
 */
import { readFileSync } from 'node:fs'

const FIRST = words(`
  acid agile alpha amber apex aqua arc async atomic auto azure bare basic better big binary bold brisk calm
  clean clear cloud cold cool cosmic crisp cyber dark deep dry dual dusty eager easy edge elastic fast fine
  flat fresh full fuzzy gentle giga global good grand happy hyper idle inner instant just keen lazy light
  lite little live local loose lucid lunar magic`)
const SECOND = words(`
  array audio avatar badge batch block board bucket buffer button cache canvas card carousel chart chunk code
  color config cookie cron css csv data date deploy dialog diff doc dom dropdown email emoji env error event
  feed fetch field file filter flag font form geo glob graph grid hash header hook html http icon image
  index input json key lambda layout link`)
const THIRD = words(`
  adapter agent analyzer api bot box bridge builder bundler checker client compiler component config
  connector converter core counter daemon decoder editor emitter encoder engine factory filter finder
  formatter gateway generator guard handler helper inspector kit lexer lib linter list loader locator logger
  manager mapper matcher middleware mixin module monitor mutex observer packer pack page panel parser
  picker pipe player plugin`)
const LAST = words(`
  angular bin browser cjs cli core deno esm express fastify go js koa lambda mini native next node nuxt plus
  preact pro react redux rs rx server solid svelte ts vite vue`)
const SCOPES = words(`
  acme apollo atlas aurora bamboo basalt birch bonsai canyon cedar comet coral crane delta ember falcon fjord
  garnet harbor heron indigo juniper kestrel lagoon maple meadow nimbus onyx osprey pine quartz willow`)

const VARIANTS = LAST.length + SCOPES.length

const GENERATED_NAMES = FIRST.length * SECOND.length * THIRD.length * VARIANTS
const given = readGivenNames(process.env.FORKSTORE_DEMO_NAMES)

/** So many different names there are. */
export const MOST_NAMES = given?.length ?? GENERATED_NAMES

// Multiplying by a prime that does not divide GENERATED_NAMES permutes the numbers below it.
const SCATTERING_PRIME = 7_368_787

export function packageName(index: number): string {
  if (given !== undefined) return given[index] as string
  let rest = (index * SCATTERING_PRIME) % GENERATED_NAMES
  const take = (choices: number): number => {
    const choice = rest % choices
    rest = (rest - choice) / choices
    return choice
  }
  const stem = `${FIRST[take(FIRST.length)]}-${SECOND[take(SECOND.length)]}-${THIRD[take(THIRD.length)]}`
  return rest < LAST.length ? `${stem}-${LAST[rest]}` : `@${SCOPES[rest - LAST.length]}/${stem}`
}

function readGivenNames(file: string | undefined): string[] | undefined {
  if (file === undefined) return undefined
  const names: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    throw new TypeError(`${file} must hold a JSON array of strings`)
  }
  return [...new Set(names)]
}

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}
