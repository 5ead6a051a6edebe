/**
 * The slow, obvious encoder of docs/format.md, section 1: recursive, one small buffer for each part. The
 * oracle of the real one.
 */
export function referenceEncode(root: unknown, shapeOf: (names: string[]) => number): Buffer {
  const out: number[] = new Array<number>(8).fill(0)

  const align = (to: number): number => {
    while (out.length % to !== 0) out.push(0)
    return out.length
  }
  const setSlot = (at: number, low: number, tag: number, info: number): void => {
    const slot = Buffer.alloc(8)
    slot.writeUInt32LE(low >>> 0, 0)
    slot.writeUInt16LE(info, 4)
    slot.writeUInt16LE(tag, 6)
    for (let i = 0; i < 8; i++) out[at + i] = slot[i] as number
  }
  const setDouble = (at: number, value: number): void => {
    const slot = Buffer.alloc(8)
    if (Number.isNaN(value)) slot.set([0, 0, 0, 0, 0, 0, 0xf8, 0x7f])
    else slot.writeDoubleLE(value)
    for (let i = 0; i < 8; i++) out[at + i] = slot[i] as number
  }
  const u32 = (value: number): void => {
    for (let i = 0; i < 4; i++) out.push((value >>> (8 * i)) & 0xff)
  }
  const slots = (count: number): number => {
    const start = out.length
    for (let i = 0; i < 8 * count; i++) out.push(0)
    return start
  }

  const text = (at: number, value: string): void => {
    const units = [...Array(value.length).keys()].map((i) => value.charCodeAt(i))
    const wide = units.some((unit) => unit > 0xff)
    const bytes = wide ? units.flatMap((unit) => [unit & 0xff, unit >> 8]) : units
    if (!wide && units.length <= 5) {
      const [first = 0, a = 0, b = 0, c = 0, d = 0] = units
      setSlot(at, a + b * 2 ** 8 + c * 2 ** 16 + d * 2 ** 24, 0xffff, units.length + 256 * first)
    } else if (units.length <= 0xfffe) {
      const start = align(wide ? 2 : 1)
      setSlot(at, start - at, wide ? 0xfffb : 0xfffa, units.length)
      for (const byte of bytes) out.push(byte)
    } else {
      const start = align(4)
      setSlot(at, start - at, 0xfffe, wide ? 1 : 0)
      u32(units.length)
      for (const byte of bytes) out.push(byte)
    }
  }

  const write = (at: number, value: unknown): void => {
    if (value === undefined) setSlot(at, 0, 0xfff8, 0)
    else if (value === null) setSlot(at, 1, 0xfff8, 0)
    else if (value === false) setSlot(at, 2, 0xfff8, 0)
    else if (value === true) setSlot(at, 3, 0xfff8, 0)
    else if (typeof value === 'string') text(at, value)
    else if (typeof value === 'number') {
      if (Number.isInteger(value) && Math.abs(value + 0.5) < 2 ** 31 && !Object.is(value, -0)) {
        setSlot(at, value, 0xfff9, 0)
      } else setDouble(at, value)
    } else if (typeof value === 'bigint') {
      setSlot(at, align(8) - at, 0xfffe, 2)
      const words: bigint[] = []
      for (let rest = value < 0n ? -value : value; rest > 0n; rest /= 2n ** 64n) words.push(rest % 2n ** 64n)
      u32(words.length)
      u32(value < 0n ? 1 : 0)
      for (const word of words) {
        u32(Number(word % 2n ** 32n))
        u32(Number(word / 2n ** 32n))
      }
    } else if (value instanceof Date) {
      setSlot(at, align(8) - at, 0xfffe, 5)
      setDouble(slots(1), value.getTime())
    } else if (value instanceof Uint8Array) {
      setSlot(at, align(8) - at, 0xfffe, Buffer.isBuffer(value) ? 4 : 3)
      u32(value.length)
      u32(0)
      for (const byte of value) out.push(byte)
    } else if (Array.isArray(value)) {
      setSlot(at, align(8) - at, 0xfffd, 0)
      u32(value.length)
      u32(0)
      const start = slots(value.length)
      for (let i = 0; i < value.length; i++) {
        if (i in value) write(start + 8 * i, value[i])
        else setSlot(start + 8 * i, 4, 0xfff8, 0)
      }
    } else {
      const object = value as Record<string, unknown>
      const names = Object.keys(object)
      const fits = names.length <= 64 && names.every((name) => name.length <= 255)
      const shape = fits ? shapeOf(names) : -1
      if (shape >= 0) {
        setSlot(at, align(8) - at, 0xfffc, shape)
        const start = slots(names.length)
        names.forEach((name, i) => write(start + 8 * i, object[name]))
      } else {
        setSlot(at, align(8) - at, 0xfffe, 6)
        u32(names.length)
        u32(0)
        const start = slots(2 * names.length)
        names.forEach((name, i) => {
          text(start + 16 * i, name)
          write(start + 16 * i + 8, object[name])
        })
      }
    }
  }

  write(0, root)
  align(8)
  return Buffer.from(out)
}
