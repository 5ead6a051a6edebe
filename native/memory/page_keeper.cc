// Owner and thread share no lock: on a busy machine the thread, which is niced, could be suspended with
// the lock held, and the event loop would wait for it. They meet in
//
//   phase     kStepping (set by the thread) and kPaused (set by the owner): a step begins only by
//             changing 0 to kStepping, so pausing is one atomic OR, whose old value says whether a
//             step is running;
//   inbox     a list of batches of huge pages, pushed by the owner, taken whole by the thread;
//   bell      a counter and futex: the thread sleeps as long as it has not changed.
#include "memory/page_keeper.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/thread.h"
#include "memory/page_work.h"

namespace forkstore {
namespace {

constexpr uint32_t kStepping = 1;
constexpr uint32_t kPaused = 2;
constexpr int kNice = 5;  // behind the event loop, before the snapshot's child

// A write to a page that is being collapsed waits until that is done (0.25 ms, at times 2 ms). A rest
// after each spreads these waits out and leaves most turns of the event loop untouched.
constexpr timespec kRestAfterCollapse = {0, 1'000'000};

// How many bytes to look at in one step, where huge pages are counted.
constexpr uint64_t kCountedBytes = 4 * kHugePageBytes;

enum class Work { kNone, kDone, kCollapsed };

struct Batch {
  std::vector<uint32_t> huge_pages;
  Batch* next = nullptr;
};

}  // namespace

struct PageKeeper::State {
  Arena* arena = nullptr;
  std::atomic<uint32_t> phase{0};
  std::atomic<uint32_t> bell{0};
  std::atomic<bool> asleep{false};
  std::atomic<bool> stop{false};
  std::atomic<bool> child_lives{false};
  std::atomic<Batch*> inbox{nullptr};
  std::atomic<uint64_t> pending{0};
  std::atomic<bool> count_asked{false};
  std::atomic<uint64_t> huge_bytes{kNotKnown};

  // The thread's own.
  uint64_t count_at = 0;        // counting goes on from here
  uint64_t counted = 0;         // below count_at
  uint64_t count_above = 1;     // again once the frontier is here
  uint64_t count_below = 0;     // or below this
  std::vector<uint32_t> queue;  // ascending, each once
  bool populate_by_touch = false;

  bool thread_refused = false;  // the owner's
  Thread thread;                // the last member: joined before the others go

  bool HasThread();
  void Ring();
  void Sleep(uint32_t heard, const timespec* at_most);
  void Run();
  Work TryStep();
  void EmptyInbox();
  void AddToQueue(const std::vector<uint32_t>& huge_pages);
  bool Populate();
  bool Collapse();
  bool Count();
};

bool PageKeeper::State::HasThread() {
  if (thread.joinable()) return true;
  if (thread_refused) return false;
  const auto run = [](void* argument) { static_cast<State*>(argument)->Run(); };
  thread_refused = !Thread::Start(run, this, "forkstore-pages", &thread).ok();
  return !thread_refused;
}

void PageKeeper::State::Ring() {
  bell.fetch_add(1);
  // The counter first, then the question: the thread asks in the opposite order.
  if (asleep.load()) syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void PageKeeper::State::Sleep(uint32_t heard, const timespec* at_most) {
  asleep.store(true);
  if (bell.load() == heard) syscall(SYS_futex, &bell, FUTEX_WAIT_PRIVATE, heard, at_most, nullptr, 0);
  asleep.store(false);
}

void PageKeeper::State::Run() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
  for (;;) {
    // What ends a pause, brings work or stops the thread rings the bell afterwards. The bell is read first,
    // so that whatever this round misses keeps the thread from sleeping at its end.
    const uint32_t heard = bell.load();
    if (stop.load()) return;
    switch (TryStep()) {
      case Work::kDone:
        break;
      case Work::kCollapsed:
        Sleep(heard, &kRestAfterCollapse);
        break;
      case Work::kNone:
        Sleep(heard, nullptr);
        break;
    }
  }
}

Work PageKeeper::State::TryStep() {
  uint32_t idle = 0;
  if (!phase.compare_exchange_strong(idle, kStepping)) return Work::kNone;
  EmptyInbox();
  // The event loop stalls for want of populated memory, but merely runs slower for want of huge pages.
  Work work = Work::kNone;
  if (arena->is_small() && arena->frontier() >= Arena::kSmallBytes) {
    arena->EndSmall();
    pending.fetch_add(1);
    AddToQueue({0});
  }
  const bool has_populated = arena->frozen().buffers().PrepareSome() || Populate();
  if (!has_populated && !child_lives.load() && Collapse()) {
    work = Work::kCollapsed;
  } else if (has_populated || Count()) {
    work = Work::kDone;
  }
  phase.fetch_and(~kStepping);
  return work;
}

void PageKeeper::State::EmptyInbox() {
  Batch* batch = inbox.exchange(nullptr);
  while (batch != nullptr) {
    AddToQueue(batch->huge_pages);
    Batch* next = batch->next;
    delete batch;
    batch = next;
  }
}

// Snapshots that follow each other closely list the same pages, and none is collapsed meanwhile.
void PageKeeper::State::AddToQueue(const std::vector<uint32_t>& huge_pages) {
  const size_t before = queue.size() + huge_pages.size();
  queue.insert(queue.end(), huge_pages.begin(), huge_pages.end());
  std::sort(queue.begin(), queue.end());
  queue.erase(std::unique(queue.begin(), queue.end()), queue.end());
  pending.fetch_sub(before - queue.size());
}

bool PageKeeper::State::Populate() {
  // Never below the frontier: there it could copy pages that a snapshot's child shares.
  const uint64_t start = std::max(arena->frontier(), arena->populated());
  if (start >= arena->PopulateTarget() || start == arena->populate_refused()) return false;
  const uint64_t end = RoundUp(start + 1, kHugePageBytes);
  if (!populate_by_touch) {
    switch (PopulateByKernel(arena->base() + start, end - start)) {
      case PopulateResult::kDone:
        break;
      case PopulateResult::kUnsupported:
        populate_by_touch = true;
        break;
      case PopulateResult::kNoMemory:
        arena->SetPopulateRefused(start);
        return false;
    }
  }
  if (populate_by_touch) PopulateByTouch(arena->base() + start, end - start);
  arena->SetPopulated(end);
  return true;
}

bool PageKeeper::State::Collapse() {
  if (queue.empty()) return false;
  const uint64_t start = queue.back() * kHugePageBytes;
  queue.pop_back();
  // A refusal (no huge page to be had, the page is pinned) is not worth another try: the next snapshot
  // will list the page again if it matters.
  if (start < arena->frontier()) CollapseHugePage(arena->base() + start);
  pending.fetch_sub(1);
  return true;
}

bool PageKeeper::State::Count() {
  const uint64_t frontier = arena->frontier();
  if (count_at == 0) {
    if (!count_asked.exchange(false) && frontier < count_above && frontier >= count_below) return false;
    counted = 0;
  }
  const uint64_t end = std::min(frontier, count_at + kCountedBytes);
  uint64_t huge = 0;
  bool known = true;
  if (end > count_at) known = CountHugeBytes(arena->base() + count_at, end - count_at, &huge);
  counted += huge;
  count_at = end;
  if (known && count_at < frontier) return true;
  huge_bytes.store(known ? counted : kNotKnown);
  count_above = known ? frontier + frontier / 4 + 1 : kNotKnown;
  count_below = known ? frontier - frontier / 4 : 0;
  count_at = 0;
  return true;
}

PageKeeper::PageKeeper(Arena* arena) : state_(std::make_unique<State>()) {
  state_->arena = arena;
}

PageKeeper::~PageKeeper() {
  state_->stop.store(true);
  state_->Ring();
  if (state_->thread.joinable()) state_->thread.Join();
  for (Batch* batch = state_->inbox.load(); batch != nullptr;) {
    Batch* next = batch->next;
    delete batch;
    batch = next;
  }
}

void PageKeeper::Wake() {
  if (state_->HasThread()) state_->Ring();
}

void PageKeeper::Collapse(std::vector<uint32_t> huge_pages) {
  if (huge_pages.empty()) return;
  state_->thread_refused = false;  // once for each snapshot it is worth another try
  if (!state_->HasThread()) return;
  state_->pending.fetch_add(huge_pages.size());
  auto* batch = new Batch{std::move(huge_pages), state_->inbox.load()};
  while (!state_->inbox.compare_exchange_weak(batch->next, batch)) {
  }
  state_->Ring();
}

void PageKeeper::SetChildLives(bool lives) {
  state_->child_lives.store(lives);
  if (!lives) state_->Ring();
}

void PageKeeper::CountHuge() {
  if (!has_thread()) return;
  state_->count_asked.store(true);
  state_->Ring();
}

uint64_t PageKeeper::huge_bytes() const {
  return state_->arena->is_small() ? 0 : state_->huge_bytes.load();
}

bool PageKeeper::TryPause() {
  return (state_->phase.fetch_or(kPaused) & kStepping) == 0;
}

void PageKeeper::Resume() {
  state_->phase.fetch_and(~kPaused);
  state_->Ring();
}

bool PageKeeper::paused() const {
  return (state_->phase.load() & kPaused) != 0;
}

uint64_t PageKeeper::pending() const {
  return state_->pending.load();
}

bool PageKeeper::has_thread() const {
  return state_->thread.joinable();
}

uint64_t PageKeeper::rings() const {
  return state_->bell.load();
}

}  // namespace forkstore
