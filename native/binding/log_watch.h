// LogWatch: wakes JavaScript when the log has got on.
//
// Thread safety: OnProgress() from any thread, as often as anybody likes: at most one call is under way to
// JavaScript at a time. Everything else on the environment's thread.
#pragma once

#include <napi.h>

#include <memory>

#include "base/status.h"

namespace forkstore {

class LogWatch {
 public:
  // Does not keep the process alive. Errors: kIo.
  static Status Make(Napi::Env env, Napi::Function on_progress, std::unique_ptr<LogWatch>* watch);
  // REQUIRES: nobody calls OnProgress() any more. Also when the environment is going away.
  ~LogWatch();
  LogWatch(const LogWatch&) = delete;
  LogWatch& operator=(const LogWatch&) = delete;

  // For Log::Start(); `watch` is a LogWatch*.
  static void OnProgress(void* watch);
  // Whether the process stays alive.
  void Hold(Napi::Env env, bool hold);

 private:
  struct Pending;
  LogWatch() = default;

  napi_threadsafe_function deliver_ = nullptr;
  Pending* pending_ = nullptr;  // goes with `deliver_`, which may outlive this object
};

}  // namespace forkstore
