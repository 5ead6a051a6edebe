import * as threads from 'node:worker_threads'

// From Node 22.10 on.
const { markAsUncloneable } = threads as { markAsUncloneable?: (object: object) => void }

/**
 * Has `structuredClone` and `postMessage` refuse an object, with a DataCloneError, whose clone would be an
 * empty shell. Node 20 offers no way to that.
 */
export const uncloneable: (object: object) => void = markAsUncloneable ?? (() => undefined)
