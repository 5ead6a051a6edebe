// Tests only: a log of small segments and bounds, without a thread.
#pragma once

#include "log/log.h"

namespace forkstore {

inline LogOptions SmallLog() {
  LogOptions options;
  options.segment_bytes = 16 << 10;
  options.soft_bound_bytes = 64 << 10;
  options.hard_bound_bytes = 256 << 10;
  options.fragment_bytes = 2 << 10;
  options.write_bytes = 1 << 10;
  // An hour: who writes depends on what a test does, and not on the time that a write takes.
  options.long_write_ms = 3'600'000;
  options.own_thread = false;
  return options;
}

}  // namespace forkstore
