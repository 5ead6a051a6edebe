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

enum class Work { kNone, kPopulated, kCollapsed };

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
  std::atomic<Batch*> inbox{nullptr};
  std::atomic<uint64_t> pending{0};

  // The thread's own.
  std::vector<uint32_t> queue;
  bool populate_by_touch = false;
  bool out_of_memory = false;  // no more populating until the bell rings

  Thread thread;  // the last member: joined before the others go

  void Ring();
  void Sleep(uint32_t heard, const timespec* at_most);
  void Run();
  Work TryStep();
  void EmptyInbox();
  bool Populate();
  bool Collapse();
};

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
  uint32_t heard = bell.load();
  for (;;) {
    // What ends a pause, brings work or stops the thread rings the bell afterwards. The bell is read first,
    // so that whatever this round misses keeps the thread from sleeping at its end.
    const uint32_t now = bell.load();
    if (stop.load()) return;
    if (now != heard) out_of_memory = false;
    heard = now;
    switch (TryStep()) {
      case Work::kPopulated:
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
  if (Populate()) {
    work = Work::kPopulated;
  } else if (Collapse()) {
    work = Work::kCollapsed;
  }
  phase.fetch_and(~kStepping);
  return work;
}

void PageKeeper::State::EmptyInbox() {
  Batch* batch = inbox.exchange(nullptr);
  while (batch != nullptr) {
    queue.insert(queue.end(), batch->huge_pages.begin(), batch->huge_pages.end());
    Batch* next = batch->next;
    delete batch;
    batch = next;
  }
}

bool PageKeeper::State::Populate() {
  const uint64_t frontier = arena->frontier();
  const uint64_t target = std::min(arena->max_bytes(), frontier + arena->AheadBytes());
  // Never below the frontier: there it could copy pages that a snapshot's child shares.
  const uint64_t start = std::max(frontier, arena->populated());
  if (out_of_memory || start >= target) return false;
  const uint64_t end = RoundUp(start + 1, kHugePageBytes);
  if (!populate_by_touch) {
    switch (PopulateByKernel(arena->base() + start, end - start)) {
      case PopulateResult::kDone:
        break;
      case PopulateResult::kUnsupported:
        populate_by_touch = true;
        break;
      case PopulateResult::kNoMemory:
        out_of_memory = true;
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

Status PageKeeper::Start(Arena* arena, std::unique_ptr<PageKeeper>* keeper) {
  std::unique_ptr<PageKeeper> made(new PageKeeper());
  made->state_ = std::make_unique<State>();
  State* state = made->state_.get();
  state->arena = arena;
  const auto run = [](void* argument) { static_cast<State*>(argument)->Run(); };
  Status status = Thread::Start(run, state, "forkstore-pages", &state->thread);
  if (status.ok()) *keeper = std::move(made);
  return status;
}

PageKeeper::~PageKeeper() {
  if (state_ == nullptr) return;
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
  state_->Ring();
}

void PageKeeper::Collapse(std::vector<uint32_t> huge_pages) {
  if (huge_pages.empty()) return;
  state_->pending.fetch_add(huge_pages.size());
  auto* batch = new Batch{std::move(huge_pages), state_->inbox.load()};
  while (!state_->inbox.compare_exchange_weak(batch->next, batch)) {
  }
  state_->Ring();
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

}  // namespace forkstore
