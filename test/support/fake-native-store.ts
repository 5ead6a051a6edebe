import type { NativeStats, NativeStore } from '../../lib/engines/native/binding.js'

/**
 * Just enough of the addon for the codec: an arena of one segment into which `put` copies bytes, a table of
 * shapes, an operation buffer. Everything else throws.
 */
export interface FakeNativeStore extends NativeStore {
  /** Copies bytes into the arena; their offset, a multiple of 8. */
  put(bytes: Uint8Array): number
  readonly shapes: string[][]
}

export interface FakeOptions {
  arenaBytes?: number
  operationBytes?: number
  /** false: as in a runtime without external buffers. */
  windows?: boolean
  maxShapes?: number
}

export function fakeNativeStore(options: FakeOptions = {}): FakeNativeStore {
  const arena = new ArrayBuffer(options.arenaBytes ?? 4 << 20)
  const arenaBytes = new Uint8Array(arena)
  const maxShapes = options.maxShapes ?? 4096
  const shapes: string[][] = []
  const ids = new Map<string, number>()
  const lengths = new Map<number, number>()
  let end = 64
  // Stale bytes everywhere: whoever forgets to write padding is found out.
  let operationBuffer = new Uint8Array(options.operationBytes ?? 4096).fill(0xaa).buffer as ArrayBuffer

  const fake: Partial<FakeNativeStore> = {
    shapes,
    result: new Float64Array(6),
    get operationBuffer() {
      return operationBuffer
    },
    growOperationBuffer(bytes: number) {
      // Nothing is kept: the contract does not say so.
      operationBuffer = new Uint8Array((bytes + 7) & ~7).fill(0xbb).buffer as ArrayBuffer
      return operationBuffer
    },
    lastMessage: () => 'fake',
    stats: () => ({ shapes: shapes.length }) as NativeStats,
    segment: (index: number) => (options.windows === false || index !== 0 ? undefined : arena),
    readBlock(offset: number, out: Uint8Array) {
      for (const [start, length] of lengths) {
        if (offset < start || offset >= start + length) continue
        const left = start + length - offset
        if (left <= out.length) out.set(arenaBytes.subarray(offset, offset + left))
        return left
      }
      throw new Error(`no block at ${offset}`)
    },
    defineShape(names: string[]) {
      const text = JSON.stringify(names)
      let id = ids.get(text)
      if (id === undefined) {
        if (shapes.length >= maxShapes) return -6
        id = shapes.push([...names]) - 1
        ids.set(text, id)
      }
      return id
    },
    shapeNames: (id: number) => shapes[id] as string[],
    put(bytes: Uint8Array) {
      const needed = (bytes.length + 7) & ~7
      if (end + needed > arenaBytes.length) {
        end = 64
        lengths.clear()
      }
      const offset = end
      arenaBytes.set(bytes, offset)
      lengths.set(offset, bytes.length)
      end += needed
      return offset
    },
  }
  return fake as FakeNativeStore
}
