import type { Key } from '../../../base/types.js'
import { readBigintBody, readBigintKey } from './bigint.js'
import type { NativeStore } from '../binding.js'
import { makeReader, type Reader } from './readers.js'
import { readLatin1, readShort, readUtf16 } from './strings.js'
import { Window } from './window.js'
import { define } from '../../../base/define.js'

const WINDOW_BYTES = 2 ** 30
/** Index in `NativeStore.result`: the offset below which all blocks end. */
const REACH = 5
/** Containers deeper than this are put on a list and decoded later: no value is too deep for the stack. */
const MOST_RECURSION = 48
/** A scratch buffer larger than this is not kept. */
const MOST_SCRATCH_BYTES = 2 ** 20

// The upper half of a slot's second word, as int16; docs/format.md, section 1.
const OBJECT = -4
const ARRAY = -3
const EXTENDED = -2
const DICTIONARY_KIND = 6
const HOLE_LOW = 4
const HOLE_HIGH = 0xfff80000 | 0
// Of the second word of SPECIAL slots in nodes and records; docs/format.md, section 4, "Nodes".
const NODE_BIT = 0x8000
const BOX_BIT = 0x4000

/** The length field of a record's header when the length follows it; docs/format.md, section 4. */
const LONG_KEY = 0x3fff

/**
 * Reads values and records from the arena, whose bytes have been checked. Everything handed out is a copy.
 *
 * The windows lie over the arena itself. Where the runtime forbids that, what is left of a block is
 * copied into a scratch buffer by a call, and read from there.
 */
export class Decoder {
  /** The plain copy of a node: what a record shows that refers to one. */
  copyNode: (node: number) => unknown = () => undefined
  /** `slot` left out a container that is too deep, and its caller must call `defer`. */
  missed = false
  readonly #store: NativeStore
  readonly #windows: Window[] = []
  readonly #result: Float64Array
  /** Up to which offset the first window goes; Infinity: as far as it ever will. */
  #shown = 0
  #scratch: Window | undefined
  readonly #readers: Reader[] = []
  #depth = 0
  // What was left out: where the value belongs, its name or index there, and its slot.
  readonly #targets: object[] = []
  readonly #names: (string | number)[] = []
  readonly #slots: number[] = []

  constructor(store: NativeStore) {
    this.#store = store
    this.#result = store.result
  }

  /**
   * A window that holds the rest of the block of the byte at this arena offset; its `base` is of its first byte.
   */
  window(offset: number): Window {
    if ((this.#result[REACH] as number) > this.#shown) this.#lengthen()
    return this.#windows[Math.floor(offset / WINDOW_BYTES)] ?? this.#open(offset)
  }

  /** Whether windows stay what they are: else one is good only until the next call of any method here. */
  get hasWindows(): boolean {
    return this.#scratch === undefined
  }

  /** The value whose root slot is at this arena offset. */
  value(offset: number): unknown {
    const window = this.window(offset)
    return this.#root(window, offset - window.base)
  }

  /** As `window`, and good for as long as the block's bytes are. */
  lastingWindow(offset: number): Window {
    const window = this.window(offset)
    if (this.#scratch === undefined) return window
    const length = this.#store.readBlock(offset, window.bytes)
    return new Window(window.bytes.buffer.slice(0, length) as ArrayBuffer, offset)
  }

  /** The value whose root slot is at byte `at` of this window. */
  valueIn(window: Window, at: number): unknown {
    return this.#root(window, at)
  }

  /** Whether the value whose root slot is at this arena offset is a plain object, as far as the slot tells. */
  isObject(offset: number): boolean {
    const window = this.window(offset)
    const high = window.words[((offset - window.base) >> 2) + 1] as number
    const tag = high >> 16
    return tag === OBJECT || (tag === EXTENDED && (high & 0xffff) === DICTIONARY_KIND)
  }

  /** Whether the value whose root slot is at this arena offset is packed and holds others. */
  isContainer(offset: number): boolean {
    const window = this.window(offset)
    return isContainer(window.words[((offset - window.base) >> 2) + 1] as number)
  }

  /** The node that the slot at this arena offset refers to, or 0. */
  nodeAt(offset: number): number {
    const window = this.window(offset)
    return slotNode(window, offset - window.base)
  }

  /** The key of the record at this arena offset. */
  recordKey(offset: number): Key {
    const window = this.window(offset)
    return this.#key(window, offset - window.base)
  }

  /** The value of the record at this arena offset. */
  recordValue(offset: number): unknown {
    const window = this.window(offset)
    const at = offset - window.base
    return this.#root(window, valueStart(window.words, at))
  }

  /** The arena offset of the root slot of the value of the record at this one. */
  recordSlot(offset: number): number {
    const window = this.window(offset)
    return window.base + valueStart(window.words, offset - window.base)
  }

  /** Key and value of the record at this arena offset. */
  recordEntry(offset: number): [Key, unknown] {
    const window = this.window(offset)
    const at = offset - window.base
    return [this.#key(window, at), this.#root(window, valueStart(window.words, at))]
  }

  /** The place in the order of its map of the record at this arena offset. */
  recordSequence(offset: number): number {
    const window = this.window(offset)
    const word = (offset - window.base) >> 2
    return ((window.words[word + 1] as number) & 0xffff) * 2 ** 32 + ((window.words[word] as number) >>> 0)
  }

  /** The value in the slot at `at`. A container that is too deep is left out: see `missed`. */
  slot(window: Window, at: number): unknown {
    const words = window.words
    const low = words[at >> 2] as number
    const high = words[(at >> 2) + 1] as number
    switch (high >> 16) {
      case -8:
        if ((high & (NODE_BIT | BOX_BIT)) !== 0) return this.#referred(low, high)
        return low === 0 ? undefined : low === 1 ? null : low === 3
      case -7:
        return low
      case -6:
        return readLatin1(window.bytes, at + low, high & 0xffff)
      case -5:
        return readUtf16(window.bytes, at + low, high & 0xffff)
      case OBJECT:
      case ARRAY:
        return this.#container(window, at + low, high)
      case EXTENDED:
        return this.#extended(window, at + low, high)
      case -1:
        return readShort(low, high)
      default:
        return window.doubles[at >> 3]
    }
  }

  /** Remembers the containers that `slot` left out of `target`: its slots are at `slots`, `stride` apart. */
  defer(
    window: Window,
    target: object,
    names: readonly string[] | undefined,
    slots: number,
    stride: number,
  ): void {
    this.missed = false
    const count = names === undefined ? (target as unknown[]).length : names.length
    for (let index = 0; index < count; index++) {
      const slot = slots + stride * index
      const high = window.words[(slot >> 2) + 1] as number
      if (isContainer(high)) {
        this.#targets.push(target)
        this.#names.push(names === undefined ? index : (names[index] as string))
        this.#slots.push(slot)
      }
    }
  }

  #root(window: Window, at: number): unknown {
    const words = window.words
    const high = words[(at >> 2) + 1] as number
    this.#depth = 0
    this.missed = false
    // Left by a call that ran out of stack or memory.
    if (this.#slots.length !== 0) this.#slots.length = this.#targets.length = this.#names.length = 0
    let value: unknown
    if (high >> 16 === OBJECT) {
      const reader = this.#readers[high & 0xffff] ?? this.#makeReader(high & 0xffff)
      value = reader(this, window, at + (words[at >> 2] as number))
    } else {
      value = this.slot(window, at)
    }
    if (this.#slots.length !== 0) this.#finish(window)
    return value
  }

  /** What a slot shows that refers to a node or box. */
  #referred(low: number, high: number): unknown {
    const below = low >>> 0
    if ((high & NODE_BIT) !== 0) return this.copyNode((high & 0x7fff) * 2 ** 32 + below)
    return this.value(((high & 0x3fff) * 2 ** 32 + below) * 8)
  }

  /** Decodes what was left out, until nothing is. */
  #finish(window: Window): void {
    while (this.#slots.length > 0) {
      const slot = this.#slots.pop() as number
      const target = this.#targets.pop() as Record<string | number, unknown>
      const name = this.#names.pop() as string | number
      this.#depth = 0
      target[name] = this.slot(window, slot)
    }
  }

  #container(window: Window, at: number, high: number): unknown {
    if (this.#depth === MOST_RECURSION) {
      this.missed = true
      return undefined
    }
    this.#depth++
    const tag = high >> 16
    let value: object
    if (tag === OBJECT) {
      const reader = this.#readers[high & 0xffff] ?? this.#makeReader(high & 0xffff)
      value = reader(this, window, at)
    } else {
      value = tag === ARRAY ? this.#array(window, at) : this.#dictionary(window, at)
    }
    this.#depth--
    return value
  }

  #array(window: Window, at: number): unknown[] {
    const words = window.words
    const length = words[at >> 2] as number
    const array: unknown[] = []
    for (let index = 0; index < length; index++) {
      const slot = at + 8 + 8 * index
      if (words[slot >> 2] === HOLE_LOW && words[(slot >> 2) + 1] === HOLE_HIGH) array.length = index + 1
      else array.push(this.slot(window, slot))
    }
    if (this.missed) this.defer(window, array, undefined, at + 8, 8)
    return array
  }

  #dictionary(window: Window, at: number): object {
    const count = window.words[at >> 2] as number
    const object: Record<string, unknown> = {}
    const names: string[] = []
    for (let index = 0; index < count; index++) {
      const slot = at + 8 + 16 * index
      const name = this.slot(window, slot) as string
      names.push(name)
      define(object, name, this.slot(window, slot + 8))
    }
    if (this.missed) this.defer(window, object, names, at + 16, 16)
    return object
  }

  #extended(window: Window, at: number, high: number): unknown {
    const length = window.words[at >> 2] as number
    switch (high & 0xffff) {
      case 0:
        return readLatin1(window.bytes, at + 4, length)
      case 1:
        return readUtf16(window.bytes, at + 4, length)
      case 2:
        return readBigintBody(window.words, at)
      case 3:
        return new Uint8Array(window.bytes.subarray(at + 8, at + 8 + length))
      case 4: {
        // Not Buffer.from: it gives parts of a pool, which one small buffer would keep alive.
        const copy = Buffer.allocUnsafeSlow(length)
        copy.set(window.bytes.subarray(at + 8, at + 8 + length))
        return copy
      }
      case 5:
        return new Date(window.doubles[at >> 3] as number)
      default:
        return this.#container(window, at, high)
    }
  }

  #key(window: Window, at: number): Key {
    const high = window.words[(at >> 2) + 1] as number
    let length = high >>> 18
    let start = at + 8
    if (length === LONG_KEY) {
      length = window.words[start >> 2] as number
      start += 4
    }
    switch ((high >>> 16) & 3) {
      case 0:
        return length === 0 ? '' : readLatin1(window.bytes, start, length)
      case 1:
        return readUtf16(window.bytes, start, length / 2)
      case 2:
        return window.doubles[start >> 3] as number
      default:
        return readBigintKey(window.bytes, start, length)
    }
  }

  #makeReader(shape: number): Reader {
    return (this.#readers[shape] = makeReader(this.#store.shapeNames(shape), (reader) => {
      this.#readers[shape] = reader
    }))
  }

  /** Makes the first window longer: the store has grown. */
  #lengthen(): void {
    const buffer = this.#scratch === undefined ? this.#store.segment(0) : undefined
    if (buffer !== undefined) this.#windows[0] = new Window(buffer, 0)
    this.#shown = buffer === undefined || buffer.byteLength === WINDOW_BYTES ? Infinity : buffer.byteLength
  }

  /** The window that holds the byte at `offset`, or else a copy of the block from there on. */
  #open(offset: number): Window {
    const index = Math.floor(offset / WINDOW_BYTES)
    const buffer = this.#scratch === undefined ? this.#store.segment(index) : undefined
    if (buffer !== undefined) return (this.#windows[index] = new Window(buffer, index * WINDOW_BYTES))
    const scratch = (this.#scratch ??= new Window(new ArrayBuffer(4096), 0))
    const bytes = this.#store.readBlock(offset, scratch.bytes)
    scratch.base = offset
    if (bytes <= scratch.bytes.length) return scratch
    const larger = new Window(new ArrayBuffer((bytes + 7) & ~7), offset)
    this.#store.readBlock(offset, larger.bytes)
    if (bytes <= MOST_SCRATCH_BYTES) this.#scratch = larger
    return larger
  }
}

/** Where the value of the record at `at` begins. */
function valueStart(words: Int32Array, at: number): number {
  const length = (words[(at >> 2) + 1] as number) >>> 18
  if (length === LONG_KEY) return (at + 12 + (words[(at >> 2) + 2] as number) + 7) & ~7
  return (at + 8 + length + 7) & ~7
}

/** The node that the slot at `at` refers to, or 0. */
export function slotNode(window: Window, at: number): number {
  const high = window.words[(at >> 2) + 1] as number
  // SPECIAL with NODE_BIT.
  return high >> 15 === -15 ? (high & 0x7fff) * 2 ** 32 + ((window.words[at >> 2] as number) >>> 0) : 0
}

/** Whether a packed slot with this second word is of a value that holds others. */
export function isContainer(high: number): boolean {
  const tag = high >> 16
  return tag === OBJECT || tag === ARRAY || (tag === EXTENDED && (high & 0xffff) === DICTIONARY_KIND)
}
