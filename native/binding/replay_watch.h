// ReplayWatch: tells JavaScript how far the replay of a log has got, while a thread of the pool is at it.
//
// Thread safety: OnProgress() and EndOfThread() on that thread, everything else on the environment's.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

namespace forkstore {

class ReplayWatch {
 public:
  // `on_replay`: (doneBytes: number, totalBytes: number) => void, which must not throw; anything else: nobody
  // is told.
  ReplayWatch(Napi::Env env, Napi::Value on_replay);
  ~ReplayWatch();
  ReplayWatch(const ReplayWatch&) = delete;
  ReplayWatch& operator=(const ReplayWatch&) = delete;

  // A ReplayProgress (log/log_recovery.h); `watch` is a ReplayWatch*.
  static void OnProgress(void* watch, uint64_t bytes_done, uint64_t bytes_total);
  // There will be no OnProgress() any more.
  void EndOfThread();
  // Tells the end, if anything was told at all, and nothing after it. REQUIRES: EndOfThread().
  void Finish(Napi::Env env);

 private:
  struct Shared;  // with what is on its way to JavaScript

  napi_threadsafe_function deliver_ = nullptr;
  std::shared_ptr<Shared> shared_;
  Napi::FunctionReference on_replay_;
};

}  // namespace forkstore
