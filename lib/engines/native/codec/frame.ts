import type { ShapeNode, ShapeTree } from './shape-tree.js'

/**
 * A container whose slots are being written. An encoder has a stack of these, the outermost first; one that
 * is not in use is kept, and filled anew.
 */
export class Frame {
  /** The array, or undefined where the frame is of an object. */
  array: readonly unknown[] | undefined = undefined
  container: object | undefined = undefined
  /**
   * Of an object: where its values begin in the stack of values. Those of a dictionary alternate with names.
   */
  base = 0
  count = 0
  next = 0
  slots = 0
  dictionary = false
  /** Of an object: its names, for messages. */
  node: ShapeNode | undefined = undefined
  names: string[] | undefined = undefined
}

/**
 * The names and indexes that lead to the slot which is being written, for messages; of a cycle, to where it
 * first closes. `depth`: how many of the frames are in use.
 */
export function stepsTo(
  frames: readonly Frame[],
  depth: number,
  shapes: ShapeTree,
  isCycle: boolean,
): (string | number)[] {
  const steps: (string | number)[] = []
  const seen = new Set<object>()
  for (const frame of frames.slice(0, depth)) {
    if (isCycle && seen.has(frame.container as object)) break
    seen.add(frame.container as object)
    const index = frame.next - 1
    if (frame.array !== undefined) {
      steps.push(index)
    } else {
      const names = frame.names ?? shapes.names(frame.node as ShapeNode)
      steps.push(names[frame.dictionary ? index >> 1 : index] as string)
    }
  }
  return steps
}
