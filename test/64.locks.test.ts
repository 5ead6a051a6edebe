import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readVersionNeeds } from './elf.js'
import { countLocks } from './support/lock-count.js'

// The addon as an install compiles it. (That of the package: 65; how each is linked, on other processors too:
// native/testing/test_builds.sh.)

const root = fileURLToPath(new URL('..', import.meta.url))

test('its locks lock', () => {
  expect(countLocks(root)).toBeGreaterThan(300) // three, at least, for each turn: to append, to end it, to write it
})

test('it is linked like any other addon: with the C++ library that is here', () => {
  const needs = readVersionNeeds(readFileSync(new URL('../build/Release/forkstore.node', import.meta.url)))
  expect(needs.map(({ library }) => library)).toContain('libstdc++.so.6')
})
