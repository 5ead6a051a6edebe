/**
 * What a map's engine does for the methods of `ForkstoreMap`. By symbols, as it is for this library only: a map has
 * nothing that an application could call, or assign, but its interface.
 */

/** Sets the fields; returns nothing. Errors: those of `patch`. */
export const SET_FIELDS: unique symbol = Symbol('setFields')
/** Takes fields out, as far as they are there. REQUIRES: the entry is an object; called within IN_SCOPE. */
export const REMOVE_FIELDS: unique symbol = Symbol('removeFields')
/** Adds to a field. Errors: those of `increment`. */
export const ADD_TO_FIELD: unique symbol = Symbol('addToField')
/** All or nothing: when it throws, what it has written is taken back. */
export const IN_SCOPE: unique symbol = Symbol('inScope')
