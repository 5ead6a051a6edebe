#include "memory/frozen_copy.h"

#include <atomic>

#if defined(__SANITIZE_THREAD__)
#define FORKSTORE_THREADS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FORKSTORE_THREADS_CHECKED 1
#endif
#endif

namespace forkstore {

// Changes are plain stores, and these are loads beside them: a race on paper, which the caller's protocol makes
// good (frozen_pages.h). ThreadSanitizer knows neither that protocol nor fences.
#if defined(FORKSTORE_THREADS_CHECKED)
__attribute__((no_sanitize("thread"), noinline))
#endif
void CopyWhileWritten(const void* from, uint64_t bytes, void* to) {
  const auto* source = static_cast<const uint64_t*>(from);
  auto* target = static_cast<uint64_t*>(to);
  for (uint64_t i = 0; i < bytes / 8; ++i) target[i] = __atomic_load_n(source + i, __ATOMIC_RELAXED);
#if !defined(FORKSTORE_THREADS_CHECKED)
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

}  // namespace forkstore
