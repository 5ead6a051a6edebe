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
// After a fork that was slow or refused, so many snapshots later it is tried whether another is.
constexpr uint32_t kCopiesBeforeFork = 16;
// Of what a fork shares, at least so much is taken to be copied.
constexpr uint64_t kLeastCopiedShare = 8;
constexpr uint64_t kLeastCopiedBytes = uint64_t{64} << 20;
// However little a memory limit leaves.
constexpr uint64_t kLeastWithinLimit = uint64_t{16} << 20;
constexpr uint64_t kGrowsFromBytes = uint64_t{128} << 20;

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
  const bool is_lately = facts.copies_since_fork < kCopiesBeforeFork;
  if (facts.fork_refused && is_lately) return {kCopy, kForkRefused};
  // Even where a memory limit is near: the kernel ends the child first, and never this process.
  if (facts.copies_exceeded) return {kFork, kCopiesExceeded};
  if (facts.memory_left_bytes < ForkCopiesBytes(facts)) return {kCopy, kMemoryLimit};

  const double split_ms = static_cast<double>(facts.split_huge_pages) * kMsPerSplitHugePage;
  const double whole_ms = GiB(facts.mapped_bytes) * kMsPerGiB;
  if (whole_ms + split_ms >= kQuickMs) return {kCopy, split_ms > whole_ms ? kPagesAreSplit : kForkIsSlow};
  // Where there are no huge pages, or forks are dear for another reason, only a fork can tell.
  // (Of a small store nearly all is the fork of what else the process has, and does not grow.)
  const bool grows =
      facts.fork_mapped_bytes >= kGrowsFromBytes && facts.mapped_bytes > facts.fork_mapped_bytes;
  const double grown = grows ? GiB(facts.mapped_bytes) / GiB(facts.fork_mapped_bytes) : 1;
  if (facts.fork_ms * grown >= kQuickMs && is_lately) return {kCopy, kForkIsSlow};
  return {kFork, kForkIsQuick};
}

uint64_t DefaultCopiedBytes(uint64_t mapped_bytes, uint64_t memory_left_bytes) {
  const uint64_t within_limit = std::max(memory_left_bytes / 2, kLeastWithinLimit);
  return std::min(std::max(mapped_bytes / 4, kLeastCopiedBytes), within_limit);
}

}  // namespace forkstore
