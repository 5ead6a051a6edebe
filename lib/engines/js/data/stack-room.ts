/**
 * Stack for any change of this engine and for undoing it, in words of 8 bytes: 56 KiB. Most of it is what V8
 * wants to have free before it compiles a function that is called for the first time: 40 KiB.
 */
const ROOM_WORDS = 56 * 128
const words = new Array<undefined>(ROOM_WORDS).fill(undefined)

function ignore(): void {
  // What is looked for is the room for its arguments.
}

/** Errors: RangeError, as for any call that the stack has no room for. */
export function assertStackRoom(): void {
  Reflect.apply(ignore, undefined, words)
}
