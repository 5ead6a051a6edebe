import { inspect, types, type InspectOptions } from 'node:util'
import { ForkstoreError } from '../base/errors.js'
import { describePlace } from './place.js'
import { TreeNode } from '../contract/tree-engine.js'

/**
 * Views: what `store.root` and everything below it is to the application. A view is a Proxy; its handler is
 * the node, and its target one object that all views of a kind share, which holds nothing: it says only
 * whether `Array.isArray` is true, and shows `util.inspect` the way.
 */

/** `view[NODE]` is the handler; known to this folder only. */
export const NODE: unique symbol = Symbol('node')

type Inspect = typeof inspect

/** How many members of an object are shown where `maxArrayLength` does not say it. */
const MOST_SHOWN = 100

const show = {
  [inspect.custom](
    this: object,
    depth: number | null,
    options: InspectOptions,
    inspectValue: Inspect,
  ): unknown {
    const node = (this as Partial<Record<typeof NODE, TreeNode>>)[NODE]
    // The bare target: what `%o` and `showProxy` show of a view, beside its handler.
    if (node === undefined) return Array.isArray(this) ? [] : {}
    try {
      return node.isArray ? showArray(node, depth, options) : showObject(node, depth, options, inspectValue)
    } catch (error) {
      // A message that shows the view must not fail for it.
      if (!(error instanceof ForkstoreError)) throw error
      if (error.code === 'ERR_FORKSTORE_DETACHED') return `[detached: ${describePlace(node)}]`
      if (error.code === 'ERR_FORKSTORE_CLOSED') return `[closed: ${describePlace(node)}]`
      throw error
    }
  },
}

const objectTarget: object = Object.create(show) as object
const arrayTarget: object = []
Reflect.setPrototypeOf(arrayTarget, Object.assign(Object.create(Array.prototype as object) as object, show))

/** Makes the view of a node, once. */
export function makeView(node: TreeNode): object {
  return (node.view = new Proxy(node.isArray ? arrayTarget : objectTarget, node as ProxyHandler<object>))
}

/**
 * The node of a live view; undefined for anything else, a Proxy that somebody put around a view included
 * (whose traps may run for being asked).
 */
export function viewOf(value: unknown): TreeNode | undefined {
  if (!types.isProxy(value)) return undefined
  let node: unknown
  try {
    node = (value as Record<typeof NODE, unknown>)[NODE]
  } catch {
    // Somebody else's Proxy, revoked or with a trap that throws. A view's own trap does not.
    return undefined
  }
  return node instanceof TreeNode && node.view === value ? node : undefined
}

/**
 * Whether a value is a view of the very object that the member or item shows: assigning it there changes
 * nothing, and must not replace the node by a copy of itself. `found` looks it up.
 */
export function isThereAlready(value: unknown, found: () => unknown): boolean {
  const node = viewOf(value)
  if (node === undefined) return false
  const there = viewOf(found())
  return there?.shows(node) === true
}

/** Views are copied, everything else is as it is. */
export function plain(value: unknown): unknown {
  const node = typeof value === 'object' ? viewOf(value) : undefined
  return node === undefined ? value : node.tree.copy(node)
}

/**
 * What inspect is to show in place of an object: members one level deep, whose own are views. inspect asks
 * those in turn and so sees to depth, indentation and colours itself.
 */
function showObject(
  node: TreeNode,
  depth: number | null,
  options: InspectOptions,
  inspectValue: Inspect,
): unknown {
  const most = depth !== null && depth < 0 ? 1 : (options.maxArrayLength ?? MOST_SHOWN)
  const size = node.tree.size(node)
  const shown: Record<string, unknown> = {}
  const scan = node.tree.scan(node)
  for (let count = 0; count < most && scan.next(); count++) {
    const name = scan.name() as string
    const value = depth !== null && depth < 0 ? undefined : scan.value()
    Object.defineProperty(shown, name, { value, writable: true, enumerable: true, configurable: true })
  }
  const rest = size - most
  if (rest <= 0 || (depth !== null && depth < 0)) return shown
  const text = inspectValue(shown, { ...options, depth })
  const more = `... ${rest} more member${rest > 1 ? 's' : ''}`
  if (most === 0) return `{ ${more} }`
  return text.includes('\n') ? `${text.slice(0, -2)},\n  ${more}\n}` : `${text.slice(0, -2)}, ${more} }`
}

function showArray(node: TreeNode, depth: number | null, options: InspectOptions): unknown {
  const shown: unknown[] = []
  const length = node.tree.length(node)
  if (depth !== null && depth < 0) return length === 0 ? shown : [undefined]
  const scan = node.tree.scan(node)
  // One more than are shown: inspect counts holes, in front of the last one too.
  for (let left = (options.maxArrayLength ?? Infinity) + 1; left > 0 && scan.next(); left--) {
    shown[scan.name() as number] = scan.value()
  }
  shown.length = length
  return shown
}
