// PageKeeper: a helper thread that does to the arena's pages what would stall the event loop:
// touches memory ahead of the frontier, puts together (MADV_COLLAPSE) the huge pages that
// copy-on-write has split during a snapshot, and counts those that are huge. Its thread is started when
// there is something to do for the first time: a small store has none.
//
// It works in steps of one huge page (of a few where they are only counted). fork() and the thread's
// page-table work exclude each other in the kernel, so the owner pauses it first, without waiting:
// TryPause() is called once a turn until it returns true.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "memory/arena.h"

namespace forkstore {

class PageKeeper {
 public:
  // The arena must outlive the keeper.
  explicit PageKeeper(Arena* arena);
  ~PageKeeper();  // joins the thread; waits for at most one step
  PageKeeper(const PageKeeper&) = delete;
  PageKeeper& operator=(const PageKeeper&) = delete;

  // The arena WantsPopulating(). Where no thread can be had, memory is touched by those who write to it.
  void Wake();
  // Queues 2 MiB pages (by number) for collapsing; those that wait already count once.
  void Collapse(std::vector<uint32_t> huge_pages);
  // While a child shares the arena's pages none is collapsed: that would copy what nobody has written.
  // REQUIRES of `true`: paused, so that no step is under way.
  void SetChildLives(bool lives);
  // Counts the bytes in huge pages once more, when nothing else is left to do. Without being asked it does so
  // when it finds the store grown, or less, by a quarter.
  void CountHuge();
  static constexpr uint64_t kNotKnown = ~uint64_t{0};
  // As counted last, so the store may have fewer bytes by now; kNotKnown before, and where the kernel cannot
  // say.
  uint64_t huge_bytes() const;
  // Asks the thread to rest; true when it does, false while it finishes a step. Never waits. Resume()
  // lets it go on, after either answer.
  bool TryPause();
  void Resume();
  // Asked to rest, and not resumed yet. Owner only.
  bool paused() const;
  // Collapsing that has not been done yet, in huge pages; for tests and stats.
  uint64_t pending() const;
  bool has_thread() const;
  uint64_t rings() const;  // how often the thread was asked to look for work; for tests

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
