import { ForkstoreError } from '../base/errors.js'
import { describeKey, describeSteps, shorten, type Steps } from '../base/value-errors.js'
import { TreeNode, type Place } from '../contract/tree-engine.js'

/** Names something in the tree in the way one would write it: `root.users["a@b"].tags[2]`. */
export function describePlace(place: Place, ...steps: Steps): string {
  return describeBelow(place, steps)
}

/** The same, with steps that lead on from the place: there may be too many to be arguments. */
export function describeBelow(place: Place, steps: Steps): string {
  const upwards: (string | number)[] = []
  let at = place
  for (; at.parent instanceof TreeNode; at = at.parent) upwards.push(at.step as string | number)
  const all = upwards.reverse().concat(steps)
  // Keys of maps are any of three kinds; below them there are names and indexes only.
  const start =
    at.parent === undefined
      ? shorten(String(at.step))
      : `${shorten(String(at.parent.step))}[${describeKey(at.step)}]`
  return start + describeSteps(all)
}

/** The error for a node that has left the tree, and for what a query's callback was given, after a change. */
export function detached(place: Place): ForkstoreError {
  const words =
    place instanceof TreeNode && place.isReadOnly
      ? `: what a query's callback is given can be read until the store changes; keep copy(row) of it`
      : ' was removed or replaced, and this is a view of what was there'
  return new ForkstoreError('ERR_FORKSTORE_DETACHED', `${describePlace(place)}${words}`)
}
