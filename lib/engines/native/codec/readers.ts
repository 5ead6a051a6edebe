import { readLatin1, readShort } from './strings.js'
import type { Window } from './window.js'
import { define } from '../../../base/define.js'

/** What a reader reads slots with: the decoder. */
interface SlotDecoder {
  /** See `Decoder.missed`. */
  readonly missed: boolean
  slot(window: Window, at: number): unknown
  defer(window: Window, target: object, names: readonly string[], slots: number, stride: number): void
}

/** Makes the object whose slots are at `slots`. */
export type Reader = (decoder: SlotDecoder, window: Window, slots: number) => object

/** A generated reader costs some 50 us and some memory: only shapes that are read often get one. */
const USES_BEFORE_GENERATION = 16

/**
 * A reader for one shape: a plain one at first, and when it has been used some times, generated code, in
 * which names are constants and numbers and strings are read without a call. `use` is told of the latter.
 */
export function makeReader(names: readonly string[], use: (reader: Reader) => void): Reader {
  let uses = 0
  return (decoder, window, slots) => {
    if (++uses === USES_BEFORE_GENERATION) {
      const generated = generateReader(names)
      if (generated !== undefined) use(generated)
    }
    return readPlainly(names, decoder, window, slots)
  }
}

function readPlainly(names: readonly string[], decoder: SlotDecoder, window: Window, slots: number): object {
  const object: Record<string, unknown> = {}
  for (let index = 0; index < names.length; index++) {
    define(object, names[index] as string, decoder.slot(window, slots + 8 * index))
  }
  if (decoder.missed) decoder.defer(window, object, names, slots, 8)
  return object
}

/** undefined where code generation is forbidden. */
export function generateReader(names: readonly string[]): Reader | undefined {
  // Tags as int32 shifted by 16: -7 INT, -6 LATIN1, -1 SHORT; the rest is the decoder's.
  const reads = names.map(
    (_, index) => `
    high = words[word + ${2 * index + 1}]
    tag = high >> 16
    const value${index} = tag === -7 ? words[word + ${2 * index}]
      : tag === -6 ? latin1(bytes, slots + ${8 * index} + words[word + ${2 * index}], high & 0xffff)
      : tag === -1 ? short(words[word + ${2 * index}], high)
      : decoder.slot(window, slots + ${8 * index})`,
  )
  const fields = names.map((name, index) => {
    const literal = JSON.stringify(name)
    return `${name === '__proto__' ? `[${literal}]` : literal}: value${index}`
  })
  const code = `return (decoder, window, slots) => {
    const words = window.words
    const bytes = window.bytes
    const word = slots >> 2
    let high, tag
    ${reads.join('\n')}
    const object = { ${fields.join(', ')} }
    if (decoder.missed) decoder.defer(window, object, names, slots, 8)
    return object
  }`
  try {
    const make = new Function('latin1', 'short', 'names', code) as (
      latin1: typeof readLatin1,
      short: typeof readShort,
      names: readonly string[],
    ) => Reader
    return make(readLatin1, readShort, names)
  } catch {
    return undefined
  }
}
