// Thread: the few helper threads of the library. Plain pthreads: std::thread of a statically linked
// libstdc++ would need a newer C library than the addon promises to run with (see thread.cc).
#pragma once

#include <pthread.h>

#include "base/status.h"

namespace forkstore {

class Thread {
 public:
  // Runs `run(argument)` on a new thread on which every signal is blocked, so that handlers of the
  // application never run there. `name` has at most 15 characters. Errors: kIo.
  // REQUIRES: *thread is not joinable.
  static Status Start(void (*run)(void* argument), void* argument, const char* name, Thread* thread);

  Thread() = default;
  ~Thread();  // joins
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  bool joinable() const { return joinable_; }
  void Join();  // REQUIRES: joinable, not called from the thread itself

 private:
  pthread_t handle_{};
  bool joinable_ = false;
};

}  // namespace forkstore
