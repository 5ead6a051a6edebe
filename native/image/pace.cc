#include "image/pace.h"

#include <algorithm>

namespace forkstore {

void Pace::Wrote(uint64_t bytes, uint64_t began_ns, uint64_t ended_ns) {
  rest_ns_ = ended_ns + (limits_.leaves_room ? std::min(ended_ns - began_ns, kMostRestNs) : 0);
  if (limits_.max_bytes_per_second == 0) return;
  // Time that was lost, to a slow disk or a long sleep, is made up for by a slice at most: no burst follows.
  if (!has_begun_) due_ns_ = began_ns;
  if (due_ns_ + kSliceNs < began_ns) due_ns_ = began_ns - kSliceNs;
  has_begun_ = true;
  const uint64_t rate = limits_.max_bytes_per_second;
  due_ns_ += (bytes * 1'000'000'000 + rate - 1) / rate;
}

uint64_t Pace::SleepNs(uint64_t now_ns) const {
  const uint64_t until = std::max(due_ns_, rest_ns_);
  return until <= now_ns ? 0 : std::min(until - now_ns, kSliceNs);
}

}  // namespace forkstore
