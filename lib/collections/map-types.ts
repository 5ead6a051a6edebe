/** Types of what the methods of maps are given. Where the type of the values is not told, anything goes. */

import type { Storable } from '../base/types.js'

/**
 * What `set` takes. Where the type of the values is unknown, what it is given shows whether that can be
 * stored; `any` is taken at its word.
 */
export type Given<V, Own> = unknown extends V ? (0 extends 1 & V ? V : Own & Storable<Own>) : V

/** Fields that can be patched. */
export type Fields<V> = unknown extends V ? Record<string, unknown> : V extends object ? Partial<V> : never

/** Names of fields that can be removed: those that an object may be without. */
export type RemovableField<V> = unknown extends V
  ? string
  : V extends object
    ? {
        // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- what an object may be without, `{}` is without
        [Name in keyof V & string]-?: {} extends Pick<V, Name> ? Name : never
      }[keyof V & string]
    : never

/** Names of fields that are numbers, or may be missing, undefined or numbers. */
export type NumericField<V> = unknown extends V
  ? string
  : { [Name in keyof V & string]-?: IfNumeric<V[Name], Name> }[keyof V & string]

type IfNumeric<Field, Name> = unknown extends Field
  ? Name
  : [Exclude<Field, undefined>] extends [never]
    ? never
    : [Exclude<Field, undefined>] extends [number]
      ? Name
      : never

export interface IncrementOptions<V> {
  /** The value of the entry where there is none, to which is added. */
  initial?: V
}

type EntryAmount = [by?: number, options?: IncrementOptions<number>]
type FieldAmount<V> = [field: NumericField<V>, by?: number, options?: IncrementOptions<V>]

/** What is added, and to what: to an entry that is a number, or to a field of one that is an object. */
export type Amount<V> = unknown extends V
  ? EntryAmount | FieldAmount<V>
  : V extends number
    ? EntryAmount
    : V extends Date | Uint8Array | readonly unknown[]
      ? never
      : V extends object
        ? FieldAmount<V>
        : never
