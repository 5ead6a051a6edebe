#include "base/thread.h"

#include <signal.h>

#include <new>

#include "base/glibc_compat.h"

namespace forkstore {
namespace {

struct Entry {
  void (*run)(void*);
  void* argument;
};

void* RunEntry(void* pointer) {
  const Entry entry = *static_cast<Entry*>(pointer);
  delete static_cast<Entry*>(pointer);
  entry.run(entry.argument);
  return nullptr;
}

}  // namespace

Status Thread::Start(void (*run)(void*), void* argument, const char* name, Thread* thread) {
  auto* entry = new (std::nothrow) Entry{run, argument};
  if (entry == nullptr) return Status(Code::kIo, "no memory for a helper thread");
  // A thread inherits the mask of its creator: blocking around the creation leaves no moment at which
  // the new thread could take a signal.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread->handle_, nullptr, RunEntry, entry);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    delete entry;
    return Status(Code::kIo, "cannot start a helper thread", error);
  }
  thread->joinable_ = true;
  pthread_setname_np(thread->handle_, name);
  return Status::Ok();
}

Thread::~Thread() {
  if (joinable_) Join();
}

void Thread::Join() {
  pthread_join(handle_, nullptr);
  joinable_ = false;
}

}  // namespace forkstore
