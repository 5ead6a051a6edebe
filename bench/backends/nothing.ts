import { keyOf, recordOf } from '../lib/records.js'
import type { OpenBackend } from './backend.js'

/** No store: what the machine, Node and the load generator do on their own. Answers are made on the spot. */
export const open: OpenBackend = () => {
  let version = 0

  function answer(number: number): string {
    return JSON.stringify({ key: keyOf(number), ...recordOf(number, version) })
  }

  return {
    fill: async () => undefined,
    read: answer,
    increment(number) {
      version++
      return answer(number)
    },
    patch(number) {
      version++
      return answer(number)
    },
    close: () => undefined,
  }
}
