// Which way the next snapshot is taken, and why: the rule of strategy 'auto', with its figures.
#pragma once

#include <cstdint>
#include <limits>

#include "store/snapshot_writer.h"

namespace forkstore {

enum class AskedStrategy : uint8_t { kAuto, kFork, kCopy };

// What `SnapshotResult.reason` says (lib/base/types.ts), in the same order.
enum class StrategyReason : uint8_t {
  kAsked,           // snapshot.strategy is 'fork' or 'copy'
  kForkIsQuick,     // fork: it takes less than a millisecond
  kForkIsSlow,      // copy: it would take longer
  kPagesAreSplit,   // copy: it would, since many huge pages are split
  kForkRefused,     // copy: the last fork failed
  kMemoryLimit,     // copy: a memory limit could not hold what copy-on-write copies
  kCopiesExceeded,  // fork: more would have to be copied than max_copied_bytes
  kNoAddresses,     // fork: there is no room to copy to
  kThreadWaits,     // fork: the thread of the last snapshot still waits for the disk
};

// What is known when a snapshot is to begin.
struct StrategyFacts {
  AskedStrategy asked = AskedStrategy::kAuto;
  uint64_t mapped_bytes = 0;      // the arena below its frontier: what a fork copies page tables for
  uint64_t split_huge_pages = 0;  // that still wait to be put together
  bool fork_refused = false;      // the last one: EAGAIN, ENOMEM, seccomp
  bool copies_exceeded = false;   // lately
  bool thread_waits = false;
  bool no_addresses = false;  // for copies
  // Of the last fork; 0: there was none. What a refused one tells is forgotten with copies_since_fork.
  double fork_ms = 0;
  uint64_t fork_mapped_bytes = 0;
  uint64_t fork_copied_bytes = 0;
  uint32_t copies_since_fork = 0;  // snapshots by kCopy
  // Until a memory limit of the process is reached.
  uint64_t memory_left_bytes = std::numeric_limits<uint64_t>::max();
};

struct StrategyChoice {
  SnapshotStrategy strategy = SnapshotStrategy::kFork;
  StrategyReason reason = StrategyReason::kAsked;
};

StrategyChoice ChooseStrategy(const StrategyFacts& facts);

// How much memory copies may take by default: a quarter of what is mapped, at least 64 MiB; where a memory limit
// leaves less than twice as much, half of what it leaves, at least 16 MiB.
uint64_t DefaultCopiedBytes(uint64_t mapped_bytes, uint64_t memory_left_bytes);

}  // namespace forkstore
