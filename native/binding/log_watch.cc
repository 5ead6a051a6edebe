#include "binding/log_watch.h"

#include <atomic>

namespace forkstore {

struct LogWatch::Pending {
  std::atomic<bool> is_pending{false};

  static void Deliver(napi_env env, napi_value callback, void* context, void* /*data*/) {
    if (env == nullptr) return;  // the environment is going away, and `context` may be gone
    // Before the call: what happens from now on is told by another one.
    static_cast<Pending*>(context)->is_pending.store(false);
    Napi::HandleScope scope(env);
    Napi::Function(env, callback).Call({});
  }

  static void Finalize(napi_env /*env*/, void* data, void* /*hint*/) { delete static_cast<Pending*>(data); }
};

Status LogWatch::Make(Napi::Env env, Napi::Function on_progress, std::unique_ptr<LogWatch>* watch) {
  std::unique_ptr<LogWatch> made(new LogWatch());
  auto pending = std::make_unique<Pending>();
  if (napi_create_threadsafe_function(env, on_progress, nullptr, Napi::String::New(env, "forkstore log"), 0,
                                      1, pending.get(), Pending::Finalize, pending.get(), Pending::Deliver,
                                      &made->deliver_) != napi_ok) {
    return Status(Code::kIo, "the environment makes no thread-safe function");
  }
  made->pending_ = pending.release();
  napi_unref_threadsafe_function(env, made->deliver_);
  *watch = std::move(made);
  return Status::Ok();
}

LogWatch::~LogWatch() {
  if (deliver_ != nullptr) napi_release_threadsafe_function(deliver_, napi_tsfn_release);
}

void LogWatch::OnProgress(void* watch) {
  auto* self = static_cast<LogWatch*>(watch);
  if (self->pending_->is_pending.exchange(true)) return;
  // When the environment is going away nobody wants to hear of it.
  napi_call_threadsafe_function(self->deliver_, nullptr, napi_tsfn_nonblocking);
}

void LogWatch::Hold(Napi::Env env, bool hold) {
  if (hold) {
    napi_ref_threadsafe_function(env, deliver_);
  } else {
    napi_unref_threadsafe_function(env, deliver_);
  }
}

}  // namespace forkstore
