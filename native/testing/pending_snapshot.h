// Tests only: a snapshot that tells the owner when it is done, and a small store to take it of.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "store/store.h"

namespace forkstore {

struct PendingSnapshot {
  std::atomic<bool> is_done{false};
  StoreSnapshot snapshot{[](void* self) { static_cast<PendingSnapshot*>(self)->is_done = true; }, this};
  void Wait() const {
    while (!is_done) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
};

inline OpenOptions SmallStore(bool log = true) {
  OpenOptions options;
  options.arena = {kMinArenaBytes, false};
  options.log = log;
  options.log_options.segment_bytes = 64 << 10;
  options.log_options.fragment_bytes = 2 << 10;
  options.log_options.write_bytes = 1 << 10;
  return options;
}

}  // namespace forkstore
