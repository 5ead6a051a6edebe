import { types } from 'node:util'
import { CYCLE, isWithoutMemory, isPlainObject, refusal } from '../../../base/value-errors.js'
import { ForkstoreError } from '../../../base/errors.js'
import * as format from './format.js'
import { Frame, stepsTo } from './frame.js'
import { MAX_VALUE_BYTES, TooLarge, type OperationBuffer } from './operation-buffer.js'
import { NO_SHAPE, NOT_DEFINED, type ShapeNode, type ShapeTree } from './shape-tree.js'
import { ValueWriter } from './value-writer.js'
import { WRITTEN } from './writer.js'
import type { Site } from './writers.js'

// Cycles are looked for only below here: nearly every value ends before.
const UNWATCHED_DEPTH = 32

/** Texts up to here can be written by `quick`. */
export const MOST_QUICK_UNITS = 1024

/** Frames and values that an encoder keeps room for. */
const MOST_KEPT = 4096

const { hasOwnProperty } = Object.prototype
const { getPrototypeOf } = Object
const { isProxy } = types

/** Thrown and caught in here: why a part of a value cannot be stored. */
class Refusal {
  constructor(readonly words: string) {}
}

/** The operation that an encoder writes into. */
interface EncodedOperation extends OperationBuffer {
  readonly shapes: ShapeTree
  /** See `Operation.copyView`. */
  readonly copyView: (proxy: object) => object | undefined
}

/**
 * Writes values as canonical bytes. Depth first, with a stack of its own, so that depth is limited by
 * memory only. An object's fields are all read, each once, before the first of them is written.
 */
export class Encoder extends ValueWriter {
  declare protected readonly operation: EncodedOperation
  /** An encoding is under way: bytes [0, cursor) of the buffer must be kept; see `Operation.nested`. */
  busy = false
  /** The bytes of this encoding have been overwritten by another, which could not put them back. */
  isSpoilt = false
  /** Fields that have been read and not yet written. */
  #values: unknown[] = []
  #top = 0
  #frames: Frame[] = []
  #depth = 0
  /** Of the value that is being written, when it is an object with a shape. */
  #rootNode: ShapeNode | undefined = undefined
  readonly #ancestors = new Set<object>()
  /** Slots of objects whose shapes are still to be defined. */
  readonly #undefined: { at: number; node: ShapeNode }[] = []

  // eslint-disable-next-line @typescript-eslint/no-useless-constructor -- it narrows what is accepted
  constructor(operation: EncodedOperation) {
    super(operation)
  }

  /**
   * Writes `value` with its root slot at byte `at`, a multiple of 8; returns where it ends. `key` is for
   * messages. Errors: `ERR_FORKSTORE_UNSUPPORTED_VALUE`, `ERR_FORKSTORE_TOO_LARGE`, `ERR_FORKSTORE_FULL`,
   * and whatever the value's getters throw.
   */
  encode(value: unknown, at: number, site: Site, key: unknown): number {
    // An overflow of the stack may have kept the last one from being cleared up.
    if (this.#depth !== 0 || this.#undefined.length !== 0) this.#release()
    this.#top = 0
    this.isSpoilt = false
    try {
      const operation = this.operation
      operation.reserve(at + 8)
      this.cursor = at + 8
      const writer = site.writer
      const isForWriter = writer !== undefined && typeof value === 'object' && value !== null
      const left = isForWriter ? writer(this, operation, value, at) : value
      if (left !== WRITTEN) this.#general(left, at, site)
      if (this.#undefined.length > 0 && !this.#defineShapes()) {
        // The table of shapes has just become full, for good: once more, with dictionaries.
        this.cursor = at + 8
        this.#general(left === WRITTEN ? value : left, at, site)
      }
      if (this.#frames.length > MOST_KEPT || this.#values.length > MOST_KEPT) this.#release()
      const end = this.align(7)
      if (end - at > MAX_VALUE_BYTES) throw new TooLarge()
      // A getter of the value may have caught what another write threw, but not what that write did to this one.
      if (this.isSpoilt) throw new RangeError('Maximum call stack size exceeded')
      return end
    } catch (error) {
      this.busy = false
      const steps =
        error instanceof Refusal
          ? stepsTo(this.#frames, this.#depth, this.operation.shapes, error.words === CYCLE)
          : []
      this.#release()
      this.operation.settle()
      if (error instanceof Refusal) {
        const message = `${site.describe(key, steps)}: ${error.words}`
        throw new ForkstoreError('ERR_FORKSTORE_UNSUPPORTED_VALUE', message)
      }
      if (error instanceof TooLarge) {
        const message = `${site.describe(key, [])}: a value of more than ${MAX_VALUE_BYTES} bytes cannot be stored`
        throw new ForkstoreError('ERR_FORKSTORE_TOO_LARGE', message)
      }
      throw error
    }
  }

  /**
   * As `encode`, for a number, a boolean or a text of at most MOST_QUICK_UNITS: nothing that could be refused, too
   * large, or run code of the value's.
   */
  quick(value: number | boolean | string, at: number): number {
    this.operation.reserve(at + 8)
    this.cursor = at + 8
    if (typeof value === 'number') this.number(value, at)
    else if (typeof value === 'string') this.string(value, at)
    else this.write(at, value ? format.TRUE : format.FALSE, format.SPECIAL)
    return this.align(7)
  }

  #general(value: unknown, at: number, site: Site): void {
    this.busy = true
    this.#rootNode = undefined
    if (!this.#slot(value, at)) this.#run()
    this.busy = false
    const root = this.#rootNode as ShapeNode | undefined
    if (root !== undefined && root.shape >= 0) site.learn(root, this.operation.shapes)
  }

  /** For writers: writes a slot that needs no frame; false, and nothing is written, when it may need one. */
  leaf(value: unknown, at: number): boolean {
    return !isForFrame(value) && this.#slot(value, at)
  }

  /** For writers: writes all slots of an object whose fields they have read. */
  resume(value: object, node: ShapeNode, slots: number, fields: unknown[]): typeof WRITTEN {
    this.busy = true
    this.cursor = slots + 8 * fields.length
    for (let index = 0; index < fields.length; index++) this.#values[index] = fields[index]
    this.#top = fields.length
    const frame = this.#enter(value, undefined, slots, fields.length)
    frame.base = 0
    frame.node = node
    frame.names = undefined
    frame.dictionary = false
    this.#run()
    this.busy = false
    return WRITTEN
  }

  /**
   * Defines the shapes that the value needs, now that nothing in it can be refused; false when the table is full.
   */
  #defineShapes(): boolean {
    const { shapes, words } = this.operation
    let isFull = false
    for (const { at, node } of this.#undefined) {
      const shape = shapes.define(node)
      if (shape === NO_SHAPE) isFull = true
      else words[(at >> 2) + 1] = format.OBJECT | shape
    }
    this.#undefined.length = 0
    return !isFull
  }

  #release(): void {
    this.#undefined.length = 0
    this.#values = []
    this.#frames = []
    this.#top = this.#depth = 0
    this.#ancestors.clear()
  }

  #run(): void {
    const values = this.#values
    let frame: Frame
    containers: while (this.#depth > 0) {
      frame = this.#frames[this.#depth - 1] as Frame
      const array = frame.array
      if (array === undefined) {
        while (frame.next < frame.count) {
          const index = frame.next++
          const value = values[frame.base + index]
          values[frame.base + index] = undefined
          if (!this.#slot(value, frame.slots + 8 * index)) continue containers
        }
        this.#top = frame.base
      } else {
        while (frame.next < frame.count) {
          const index = frame.next++
          const value = array[index]
          const at = frame.slots + 8 * index
          if (value === undefined && !hasOwnProperty.call(array, index))
            this.write(at, format.HOLE, format.SPECIAL)
          else if (!this.#slot(value, at)) continue containers
        }
      }
      this.#leave(frame)
    }
  }

  /** Writes one slot and what it refers to; false when that is a container whose slots are still to be written. */
  #slot(value: unknown, at: number): boolean {
    switch (typeof value) {
      case 'string':
        this.string(value, at)
        return true
      case 'number':
        this.number(value, at)
        return true
      case 'boolean':
        this.write(at, value ? format.TRUE : format.FALSE, format.SPECIAL)
        return true
      case 'undefined':
        this.write(at, format.UNDEFINED, format.SPECIAL)
        return true
      case 'bigint':
        this.bigint(value, at)
        return true
      case 'object':
        if (value === null) {
          this.write(at, format.NULL, format.SPECIAL)
          return true
        }
        return this.#object(value, at)
      default:
        throw new Refusal(refusal(value))
    }
  }

  #object(value: object, at: number): boolean {
    if (isProxy(value)) {
      const copy = this.operation.copyView(value)
      if (copy === undefined) throw new Refusal(refusal(value))
      value = copy
    }
    if (Array.isArray(value)) return this.#array(value, at)
    if (getPrototypeOf(value) === Object.prototype) return this.#fields(value, at)
    if (types.isDate(value)) {
      this.date(value, at)
      return true
    }
    if (types.isUint8Array(value)) {
      if (isWithoutMemory(value)) throw new Refusal(refusal(value))
      this.byteArray(value, at)
      return true
    }
    if (!isPlainObject(value)) throw new Refusal(refusal(value))
    return this.#fields(value, at)
  }

  #array(array: readonly unknown[], at: number): boolean {
    const count = array.length
    const start = this.align(7)
    const end = start + 8 + 8 * count
    this.operation.reserve(end)
    this.cursor = end
    this.write(at, start - at, format.ARRAY)
    this.write(start, count, 0)
    if (count === 0) return true
    this.#enter(array, array, start + 8, count)
    return false
  }

  #fields(value: object, at: number): boolean {
    const shapes = this.operation.shapes
    const values = this.#values
    const base = this.#top
    let top = base
    let node = shapes.root
    // Only when no shape goes as far as the object.
    let names: string[] | undefined
    for (const name in value) {
      // Should somebody have put enumerable properties on Object.prototype.
      if (!hasOwnProperty.call(value, name)) continue
      if (names === undefined) {
        const next = name === node.lastName ? node.lastNode : shapes.step(node, name)
        if (next === undefined) (names = shapes.names(node)).push(name)
        else node = next
      } else {
        names.push(name)
      }
      values[top++] = (value as Record<string, unknown>)[name]
    }
    const shape = names === undefined ? shapes.shapeOf(node) : NO_SHAPE
    if (shape === NO_SHAPE) return this.#dictionary(value, at, names ?? shapes.names(node))
    if (shape === NOT_DEFINED) this.#undefined.push({ at, node })

    if (this.#depth === 0) this.#rootNode = node
    this.#top = top
    const count = top - base
    const start = this.align(7)
    this.operation.reserve(start + 8 * count)
    this.cursor = start + 8 * count
    this.write(at, start - at, format.OBJECT | shape)
    // A flat object needs no frame: not for containers, and not for the message of a refusal.
    let index = 0
    for (; index < count; index++) {
      const field = values[base + index]
      if (isForFrame(field)) break
      values[base + index] = undefined
      this.#slot(field, start + 8 * index)
    }
    if (index === count) {
      this.#top = base
      return true
    }
    const frame = this.#enter(value, undefined, start, count)
    frame.next = index
    frame.base = base
    frame.node = node
    frame.names = undefined
    frame.dictionary = false
    return false
  }

  #dictionary(value: object, at: number, names: string[]): boolean {
    const base = this.#top
    const count = names.length
    for (let index = count - 1; index >= 0; index--) {
      this.#values[base + 2 * index + 1] = this.#values[base + index]
      this.#values[base + 2 * index] = names[index]
    }
    this.#top = base + 2 * count
    const start = this.align(7)
    this.operation.reserve(start + 8 + 16 * count)
    this.cursor = start + 8 + 16 * count
    this.write(at, start - at, format.EXTENDED | format.DICTIONARY)
    this.write(start, count, 0)
    if (count === 0) return true
    const frame = this.#enter(value, undefined, start + 8, 2 * count)
    frame.base = base
    frame.node = undefined
    frame.names = names
    frame.dictionary = true
    return false
  }

  #enter(container: object, array: readonly unknown[] | undefined, slots: number, count: number): Frame {
    const depth = this.#depth
    if (depth >= UNWATCHED_DEPTH) {
      if (this.#ancestors.has(container)) throw new Refusal(CYCLE)
      this.#ancestors.add(container)
    }
    const frame = (this.#frames[depth] ??= new Frame())
    frame.container = container
    frame.array = array
    frame.slots = slots
    frame.count = count
    frame.next = 0
    this.#depth = depth + 1
    return frame
  }

  #leave(frame: Frame): void {
    this.#depth--
    if (this.#depth >= UNWATCHED_DEPTH) this.#ancestors.delete(frame.container as object)
    // What was stored must not be kept alive from here.
    frame.container = undefined
    frame.array = undefined
  }
}

/** A field that may be a container, or may be refused. */
function isForFrame(field: unknown): boolean {
  switch (typeof field) {
    case 'object':
      return field !== null
    case 'function':
    case 'symbol':
      return true
    default:
      return false
  }
}
