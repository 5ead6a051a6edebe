#include "store/snapshot_strategy.h"

#include <algorithm>

namespace forkstore {
namespace {

// A pause that nobody notices.
constexpr double kQuickMs = 1;
// A fork of huge pages (measured: 0.6 to 1.2 ms), and what each that is split adds: 512 entries of page tables
// instead of one (24 to 44 ms for the 512 of a GiB).
constexpr double kMsPerGiB = 0.8;
constexpr double kMsPerSplitHugePage = 0.06;
// After a slow fork, so many snapshots later it is tried whether another would be slow.
constexpr uint32_t kCopiesBeforeFork = 16;
// Of what a fork shares, at least so much is taken to be copied.
constexpr uint64_t kLeastCopiedShare = 8;
constexpr uint64_t kLeastCopiedBytes = uint64_t{64} << 20;

double GiB(uint64_t bytes) {
  return static_cast<double>(bytes) / (uint64_t{1} << 30);
}

// Copy-on-write takes what it took last time and as much again, within what can be copied at all.
uint64_t ForkCopiesBytes(const StrategyFacts& facts) {
  const uint64_t expected = std::max(2 * facts.fork_copied_bytes, facts.mapped_bytes / kLeastCopiedShare);
  return std::min(expected, facts.mapped_bytes);
}

}  // namespace

StrategyChoice ChooseStrategy(const StrategyFacts& facts) {
  using enum SnapshotStrategy;
  using enum StrategyReason;
  if (facts.asked == AskedStrategy::kFork) return {kFork, kAsked};
  if (facts.asked == AskedStrategy::kCopy) return {kCopy, kAsked};
  if (facts.thread_waits) return {kFork, kThreadWaits};
  if (facts.no_addresses) return {kFork, kNoAddresses};
  if (facts.fork_refused) return {kCopy, kForkRefused};
  if (facts.copies_exceeded) return {kFork, kCopiesExceeded};
  if (facts.memory_left_bytes < ForkCopiesBytes(facts)) return {kCopy, kMemoryLimit};

  const double split_ms = static_cast<double>(facts.split_huge_pages) * kMsPerSplitHugePage;
  const double whole_ms = GiB(facts.mapped_bytes) * kMsPerGiB;
  if (whole_ms + split_ms >= kQuickMs) return {kCopy, split_ms > whole_ms ? kPagesAreSplit : kForkIsSlow};
  // Where there are no huge pages, or forks are dear for another reason, only a fork can tell.
  const double grown = facts.fork_mapped_bytes == 0 ? 1 : GiB(facts.mapped_bytes) / GiB(facts.fork_mapped_bytes);
  if (facts.fork_ms * grown >= kQuickMs && facts.copies_since_fork < kCopiesBeforeFork) {
    return {kCopy, kForkIsSlow};
  }
  return {kFork, kForkIsQuick};
}

uint64_t DefaultCopiedBytes(uint64_t mapped_bytes, uint64_t memory_left_bytes) {
  return std::min(std::max(mapped_bytes / 4, kLeastCopiedBytes), memory_left_bytes / 2);
}

}  // namespace forkstore
