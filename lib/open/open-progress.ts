import type { OpenProgress } from '../base/types.js'

/**
 * What `open` tells its progress: `tell` for the engine, and `end` for when `open` has settled, after which
 * nothing is told. A callback that throws is the application's error: it must not become ours.
 */
export function progressTeller(onProgress: ((progress: OpenProgress) => void) | undefined): {
  tell: ((doneBytes: number, totalBytes: number) => void) | undefined
  end: () => void
} {
  if (onProgress === undefined) return { tell: undefined, end: () => undefined }
  let isEnded = false
  return {
    tell(doneBytes, totalBytes) {
      if (isEnded) return
      try {
        onProgress({ phase: 'replay', doneBytes, totalBytes })
      } catch (error) {
        process.nextTick(() => {
          throw error
        })
      }
    },
    end() {
      isEnded = true
    },
  }
}
