import fc from 'fast-check'
import { Decoder } from '../../lib/engines/native/codec/decoder.js'
import { Operation } from '../../lib/engines/native/codec/operation.js'
import { SHAPES_AT_FIRST_SIGHT } from '../../lib/engines/native/codec/shape-tree.js'
import { MapSite } from '../../lib/engines/native/codec/writers.js'
import { fakeNativeStore, type FakeNativeStore, type FakeOptions } from './fake-native-store.js'
import { referenceEncode } from './reference-encoder.js'
import { anyValue, sameValue } from './values.js'

export interface Codec {
  store: FakeNativeStore
  operation: Operation
  decoder: Decoder
  encode(value: unknown): Buffer
  decode(bytes: Uint8Array): unknown
  roundTrip(value: unknown): unknown
}

export function makeCodec(options: FakeOptions = {}): Codec {
  const store = fakeNativeStore(options)
  const operation = new Operation(store)
  const decoder = new Decoder(store)
  const site = new MapSite('map')
  const encode = (value: unknown): Buffer => {
    const end = operation.encoder.encode(value, 16, site, 'key')
    return Buffer.from(operation.bytes.subarray(16, end))
  }
  const decode = (bytes: Uint8Array): unknown => decoder.value(store.put(bytes))
  return { store, operation, decoder, encode, decode, roundTrip: (value) => decode(encode(value)) }
}

/** Any value comes back the same, and its bytes are those of the reference encoder. */
export function checkCodec(options: FakeOptions, runs: number, seed?: number): void {
  let codec = makeCodec(options)
  fc.assert(
    fc.property(anyValue, fc.integer({ min: 0, max: 255 }), (value, stale) => {
      // With more shapes, lists of names get one at their second sight only.
      if (codec.store.shapes.length > SHAPES_AT_FIRST_SIGHT - 100) codec = makeCodec(options)
      const { store, operation, decoder, encode } = codec
      const shapeOf = (names: string[]): number => store.defineShape(names)
      operation.bytes.fill(stale)
      const bytes = encode(value)
      const expected = referenceEncode(value, shapeOf)
      if (Buffer.compare(bytes, expected) !== 0) {
        throw new Error(`encoded as\n${bytes.toString('hex')}, not\n${expected.toString('hex')}`)
      }
      // Often enough for a generated writer to take over.
      const trained = new MapSite('map')
      for (let time = 0; time < 20; time++) operation.encoder.encode(value, 16, trained, 'key')
      const end = operation.encoder.encode(value, 16, trained, 'key')
      if (Buffer.compare(operation.bytes.subarray(16, end), bytes) !== 0)
        throw new Error('encoded differently')
      const offset = store.put(bytes)
      // Often enough for a generated reader to take over.
      for (let time = 0; time < 18; time++) {
        const decoded = decoder.value(offset)
        if (time === 0 || time === 17) sameValue(decoded, value)
      }
    }),
    { numRuns: runs, ...(seed === undefined ? {} : { seed }) },
  )
}
