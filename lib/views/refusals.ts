import { ForkstoreError } from '../base/errors.js'
import { describePlace } from './place.js'
import type { TreeNode } from '../contract/tree-engine.js'

/** What views refuse; the same in both engines. */

export function refuseName(node: TreeNode, name: string | symbol): never {
  const words =
    typeof name === 'symbol'
      ? 'a symbol cannot be the name of a member'
      : 'an array has no other members than its items and length'
  const path =
    typeof name === 'symbol' ? `${describePlace(node)}[${String(name)}]` : describePlace(node, name)
  throw new ForkstoreError('ERR_FORKSTORE_UNSUPPORTED_KEY', `${path}: ${words}`)
}

export function refuseChange(node: TreeNode): never {
  throw new ForkstoreError(
    'ERR_FORKSTORE_INVALID_ARGUMENT',
    `${describePlace(node)}: what a query's callback is given cannot be changed`,
  )
}

export function refusePrototype(node: TreeNode): never {
  throw new ForkstoreError(
    'ERR_FORKSTORE_INVALID_ARGUMENT',
    `${describePlace(node)}: what is stored has no prototype of its own`,
  )
}

export function refuseFreezing(node: TreeNode): never {
  throw new ForkstoreError(
    'ERR_FORKSTORE_INVALID_ARGUMENT',
    `${describePlace(node)}: what is stored cannot be frozen, sealed or made inextensible`,
  )
}

/**
 * The error for a splice whose new items, when they were read, took away items that it was to remove or pass over.
 */
export function changedMeanwhile(node: TreeNode): ForkstoreError {
  return new ForkstoreError(
    'ERR_FORKSTORE_INVALID_ARGUMENT',
    `${describePlace(node)}: the array became shorter while the new items were read`,
  )
}

/**
 * Checks a descriptor that `Object.defineProperty` was given: members are data, and writable, enumerable and
 * configurable. Attributes that a new member is not given are false, in the language.
 */
export function checkDescriptor(
  node: TreeNode,
  name: string | number,
  descriptor: PropertyDescriptor,
  isNew: boolean,
): void {
  const path = (): string => describePlace(node, name)
  if ('get' in descriptor || 'set' in descriptor) {
    throw new ForkstoreError('ERR_FORKSTORE_UNSUPPORTED_VALUE', `${path()}: an accessor cannot be stored`)
  }
  for (const attribute of ['writable', 'enumerable', 'configurable'] as const) {
    if (descriptor[attribute] ?? !isNew) continue
    throw new ForkstoreError(
      'ERR_FORKSTORE_UNSUPPORTED_VALUE',
      `${path()}: a member that is not ${attribute} cannot be stored`,
    )
  }
}

/** A `set` that met a view on its way up from another object: as the language says, that one gets the member. */
export function setOnReceiver(receiver: unknown, name: string | symbol, value: unknown): boolean {
  if ((typeof receiver !== 'object' || receiver === null) && typeof receiver !== 'function') return false
  const own = Reflect.getOwnPropertyDescriptor(receiver, name)
  if (own === undefined) {
    return Reflect.defineProperty(receiver, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    })
  }
  if (own.writable !== true) return false
  return Reflect.defineProperty(receiver, name, { value })
}
