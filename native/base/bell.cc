#include "base/bell.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace forkstore {

void Bell::Ring() {
  count_.fetch_add(1);
  // The counter first, then the question: a sleeper asks in the opposite order.
  if (sleepers_.load() != 0) syscall(SYS_futex, &count_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void Bell::Sleep(uint32_t heard, int64_t timeout_ms) {
  const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000};
  sleepers_.fetch_add(1);
  if (count_.load() == heard) {
    syscall(SYS_futex, &count_, FUTEX_WAIT_PRIVATE, heard, timeout_ms < 0 ? nullptr : &timeout, nullptr, 0);
  }
  sleepers_.fetch_sub(1);
}

}  // namespace forkstore
