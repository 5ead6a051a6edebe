import { MemberLog } from '../../../views/member-log.js'
import { ABSENT } from '../../../contract/tree-engine.js'
import { copyOut, type Plain } from './copy.js'
import { OrderedMap } from './ordered-map.js'
import type { Undo } from './undo.js'
import { define } from '../../../base/define.js'

/** What an object shows beside what it holds. */
interface Pending {
  /** Members that it holds, but that were deleted. */
  readonly gone: Set<string>
  /** Members that came after the first one was deleted: behind all that it holds. */
  readonly later: OrderedMap<string, unknown>
}

/**
 * The members of the store's own objects, and what takes their changes back.
 *
 * A plain object cannot be told where a member belongs, so one that was deleted could be put back in its place only
 * by putting all behind it back, too. Hence within a transaction deletions are put off: the member stays
 * where it is and is noted as gone, and names that are new from then on wait in a map beside the object. At
 * the end of the outermost transaction each such object is made what it shows, in as many steps as there were
 * changes. Everything that reads objects of the store while a transaction may be open has to do it here.
 */
export class Members {
  /** What was deleted, by object. */
  readonly log = new MemberLog<Plain>()
  readonly #undo: Undo
  /** Of the open transaction. */
  readonly #pending = new Map<Plain, Pending>()

  constructor(undo: Undo) {
    this.#undo = undo
  }

  /** The member's value, or ABSENT. */
  get(object: Plain, name: string): unknown {
    const pending = this.#pendingOf(object)
    if (pending === undefined || isHeld(object, name, pending)) {
      return Object.hasOwn(object, name) ? object[name] : ABSENT
    }
    const entry = pending.later.find(name)
    return entry === undefined ? ABSENT : entry.value
  }

  has(object: Plain, name: string): boolean {
    const pending = this.#pendingOf(object)
    if (pending === undefined) return Object.hasOwn(object, name)
    return isHeld(object, name, pending) || pending.later.has(name)
  }

  /** In property order. */
  names(object: Plain): string[] {
    return Object.keys(this.#pendingOf(object) === undefined ? object : this.#shown(object))
  }

  size(object: Plain): number {
    const { length } = Object.keys(object)
    const pending = this.#pendingOf(object)
    return pending === undefined ? length : length - pending.gone.size + pending.later.size
  }

  /** Sets or adds a member. */
  set(object: Plain, name: string, value: unknown): void {
    const pending = this.#pendingOf(object)
    if (pending === undefined || isHeld(object, name, pending)) this.#setHeld(object, name, value)
    else this.#setLater(pending.later, name, value)
  }

  /** REQUIRES: the member is there. */
  delete(object: Plain, name: string): void {
    this.log.add(object, name)
    if (!this.#undo.active) {
      Reflect.deleteProperty(object, name)
      return
    }
    const { gone, later } = this.#pendingOf(object) ?? this.#begin(object)
    const value = later.get(name)
    const entry = later.delete(name)
    if (entry === undefined) gone.add(name)
    this.#undo.record(() => {
      this.log.add(object, name, -1)
      if (entry === undefined) gone.delete(name)
      else later.restore(entry, value)
    })
  }

  /** A copy of any value of the store's, whole. */
  copy(value: unknown): unknown {
    return this.#pending.size === 0 ? copyOut(value) : copyOut(value, (object) => this.#shown(object))
  }

  /** What a container holds. */
  values(container: object): unknown[] {
    return Object.values(Array.isArray(container) ? container : this.#shown(container as Plain))
  }

  #pendingOf(object: Plain): Pending | undefined {
    return this.#pending.size === 0 ? undefined : this.#pending.get(object)
  }

  #begin(object: Plain): Pending {
    if (this.#pending.size === 0) this.#undo.atEnd(() => this.#settle())
    const pending = { gone: new Set<string>(), later: new OrderedMap<string, unknown>() }
    this.#pending.set(object, pending)
    return pending
  }

  /** Taken back or kept: what is pending now is to be so. */
  #settle(): void {
    for (const [object, { gone, later }] of this.#pending) {
      for (const name of gone) Reflect.deleteProperty(object, name)
      for (const [name, value] of later) define(object, name, value)
    }
    this.#pending.clear()
  }

  #setHeld(object: Plain, name: string, value: unknown): void {
    const wasThere = Object.hasOwn(object, name)
    const before = wasThere ? object[name] : undefined
    define(object, name, value)
    if (!this.#undo.active) return
    this.#undo.record(() => {
      if (wasThere) define(object, name, before)
      else Reflect.deleteProperty(object, name)
    })
  }

  #setLater(later: OrderedMap<string, unknown>, name: string, value: unknown): void {
    const wasThere = later.has(name)
    const before = later.get(name)
    later.set(name, value)
    this.#undo.record(() => {
      if (wasThere) later.set(name, before)
      else later.delete(name)
    })
  }

  /** An object of the same members. */
  #shown(object: Plain): Plain {
    const pending = this.#pendingOf(object)
    if (pending === undefined) return { ...object }
    const shown: Plain = {}
    for (const name of Object.keys(object)) {
      if (!pending.gone.has(name)) define(shown, name, object[name])
    }
    for (const [name, value] of pending.later) define(shown, name, value)
    return shown
  }
}

/** Whether the object both holds the member and shows it. */
function isHeld(object: Plain, name: string, { gone }: Pending): boolean {
  return Object.hasOwn(object, name) && !gone.has(name)
}
