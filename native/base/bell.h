// Bell: a thread sleeps until somebody has rung. A counter and a futex: ringing takes no lock, and costs a
// system call only when somebody sleeps. (std::condition_variable's timed waits need a newer C library than
// the addon promises to run with.)
//
//   const uint32_t heard = bell.Count();
//   ... look whether there is anything to do; if not:
//   bell.Sleep(heard, timeout_ms);     // returns at once when it has rung since Count()
#pragma once

#include <atomic>
#include <cstdint>

namespace forkstore {

class Bell {
 public:
  static constexpr int64_t kForever = -1;

  uint32_t Count() const { return count_.load(); }
  void Ring();
  // May return without reason.
  void Sleep(uint32_t heard, int64_t timeout_ms);

 private:
  std::atomic<uint32_t> count_{0};
  std::atomic<uint32_t> sleepers_{0};
};

}  // namespace forkstore
