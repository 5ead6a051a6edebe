import { ForkstoreError } from '../base/errors.js'
import { Query } from './query.js'
import { viewOf } from '../views/view.js'

/**
 * Plain data, whole, in one pass: what a live view shows, as ordinary objects and arrays of the caller's own.
 * Errors: `ERR_FORKSTORE_INVALID_ARGUMENT` for anything but a view, `ERR_FORKSTORE_DETACHED`.
 */
export function copy<V extends object>(view: V): V {
  const node = viewOf(view)
  if (node === undefined) throw noView('copy')
  return node.tree.copy(node) as V
}

/** What a query of `V` goes through. */
export type Members<V> = V extends readonly (infer Item)[] ? Item : V[keyof V]
/** By what it names them: names are texts, indexes numbers. */
export type MemberNames<V> = V extends readonly unknown[] ? number : string

/**
 * A query over the members of an object or the items of an array of the live tree (holes are left out). Errors:
 * `ERR_FORKSTORE_INVALID_ARGUMENT` for anything but a view, `ERR_FORKSTORE_DETACHED` when it is run.
 */
export function query<V extends object>(view: V): Query<Members<V>, MemberNames<V>> {
  const node = viewOf(view)
  if (node === undefined) throw noView('query')
  return new Query(() => node.tree.scan(node), node)
}

function noView(name: string): ForkstoreError {
  return new ForkstoreError(
    'ERR_FORKSTORE_INVALID_ARGUMENT',
    `${name}: the argument must be a view of the live tree`,
  )
}
