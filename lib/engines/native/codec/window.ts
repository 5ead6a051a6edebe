/** A Buffer with the methods that Node's documentation and types leave out; all versions have them. */
export type Bytes = Buffer & {
  latin1Slice(start: number, end: number): string
  ucs2Slice(start: number, end: number): string
  latin1Write(text: string, offset: number, length: number): number
  ucs2Write(text: string, offset: number, length: number): number
}

/** A stretch of checked bytes with the views through which values in it are read. */
export class Window {
  /** Arena offset of the first byte. */
  base: number
  readonly bytes: Bytes
  readonly words: Int32Array
  readonly doubles: Float64Array

  constructor(buffer: ArrayBuffer, base: number) {
    this.base = base
    this.bytes = Buffer.from(buffer) as Bytes
    this.words = new Int32Array(buffer, 0, buffer.byteLength >> 2)
    this.doubles = new Float64Array(buffer, 0, buffer.byteLength >> 3)
  }
}
