import type { NativeStore } from '../../lib/engines/native/binding.js'
import { NativeEngine } from '../../lib/engines/native/engine.js'
import { loadBinding } from '../../lib/engines/native/load.js'

const MAX_BYTES = 2 ** 32

/** A native engine; `windows: false`: as in a runtime that forbids external buffers. */
export async function nativeEngine(
  options: { windows?: boolean; path?: string } = {},
): Promise<NativeEngine> {
  const store = await loadBinding().open(options.path, { maxBytes: MAX_BYTES, hugePages: true })
  return new NativeEngine(options.path, options.windows === false ? withoutWindows(store) : store)
}

function withoutWindows(store: NativeStore): NativeStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'segment') return () => undefined
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
