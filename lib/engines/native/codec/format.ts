/** Tags and kinds of values; docs/format.md, section 1. */

// Tags as the upper half of a slot's second word, as int32.
export const SPECIAL = 0xfff80000 | 0
export const INT = 0xfff90000 | 0
export const LATIN1 = 0xfffa0000 | 0
export const UTF16 = 0xfffb0000 | 0
export const OBJECT = 0xfffc0000 | 0
export const ARRAY = 0xfffd0000 | 0
export const EXTENDED = 0xfffe0000 | 0
export const SHORT = 0xffff0000 | 0

export const UNDEFINED = 0
export const NULL = 1
export const FALSE = 2
export const TRUE = 3
export const HOLE = 4

export const LATIN1_LONG = 0
export const UTF16_LONG = 1
export const BIGINT = 2
export const BYTES = 3
export const BUFFER = 4
export const DATE = 5
export const DICTIONARY = 6
