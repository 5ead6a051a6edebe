import { expect, test } from 'vitest'
import { ObjectNode } from '../lib/views/object-view.js'
import { describeBelow, describePlace } from '../lib/views/place.js'
import type { Place, TreeEngine } from '../lib/contract/tree-engine.js'

class Node extends ObjectNode {}

test('places of any depth have a name', () => {
  const tree = {} as TreeEngine
  let place: Place = new Node(tree, undefined, 'root')
  for (let depth = 0; depth < 1_000_000; depth++) place = new Node(tree, place, 'in')
  expect(describePlace(place, 'end')).toMatch(/^root\.in\..* \(\d+ more\) .*\.in\.end$/)
  const steps = new Array<string>(1_000_000).fill('further')
  expect(describeBelow(place, ['end', ...steps])).toMatch(/^root\.in\..* \(\d+ more\) .*\.further$/)
})
