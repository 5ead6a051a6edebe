#include "binding/replay_watch.h"

#include <atomic>

namespace forkstore {

struct ReplayWatch::Shared {
  std::atomic<uint64_t> done{0};
  std::atomic<uint64_t> total{0};
  std::atomic<bool> is_pending{false};
  bool is_finished = false;  // the environment's thread alone

  // The thread-safe function's own share, which it frees.
  using Holder = std::shared_ptr<Shared>;

  static void Call(Napi::Env env, const Napi::Function& function, const Shared& shared) {
    Napi::HandleScope scope(env);
    function.Call({Napi::Number::New(env, static_cast<double>(shared.done.load())),
                   Napi::Number::New(env, static_cast<double>(shared.total.load()))});
  }

  static void Deliver(napi_env env, napi_value callback, void* context, void* /*data*/) {
    if (env == nullptr) return;  // the environment is going away, and `context` may be gone
    Shared& shared = **static_cast<Holder*>(context);
    shared.is_pending.store(false);
    if (!shared.is_finished) Call(env, Napi::Function(env, callback), shared);
  }

  static void Finalize(napi_env /*env*/, void* data, void* /*hint*/) { delete static_cast<Holder*>(data); }
};

ReplayWatch::ReplayWatch(Napi::Env env, Napi::Value on_replay) : shared_(std::make_shared<Shared>()) {
  if (!on_replay.IsFunction()) return;
  auto holder = std::make_unique<Shared::Holder>(shared_);
  if (napi_create_threadsafe_function(env, on_replay, nullptr, Napi::String::New(env, "forkstore open"), 0, 1,
                                      holder.get(), Shared::Finalize, holder.get(), Shared::Deliver,
                                      &deliver_) != napi_ok) {
    deliver_ = nullptr;  // then only the end is told
  } else {
    holder.release();
  }
  on_replay_ = Napi::Persistent(on_replay.As<Napi::Function>());
}

ReplayWatch::~ReplayWatch() {
  EndOfThread();
}

void ReplayWatch::OnProgress(void* watch, uint64_t bytes_done, uint64_t bytes_total) {
  auto* self = static_cast<ReplayWatch*>(watch);
  self->shared_->done.store(bytes_done);
  self->shared_->total.store(bytes_total);
  if (self->deliver_ == nullptr || self->shared_->is_pending.exchange(true)) return;
  napi_call_threadsafe_function(self->deliver_, nullptr, napi_tsfn_nonblocking);
}

void ReplayWatch::EndOfThread() {
  if (deliver_ == nullptr) return;
  napi_release_threadsafe_function(deliver_, napi_tsfn_release);
  deliver_ = nullptr;
}

void ReplayWatch::Finish(Napi::Env env) {
  shared_->is_finished = true;
  if (!on_replay_.IsEmpty() && shared_->total.load() != 0) {
    Shared::Call(env, on_replay_.Value(), *shared_);
  }
}

}  // namespace forkstore
