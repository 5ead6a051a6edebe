#include "binding/release_in_background.h"

namespace forkstore {

namespace {

struct Work {
  std::unique_ptr<ClosedStore> closed;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;

  static void Execute(napi_env /*env*/, void* data) { static_cast<Work*>(data)->closed->remains.Release(); }

  // Also when the work was cancelled, as the environment ends: then the store goes here. Whether JavaScript
  // can still hear of it is not for us to say.
  static void Complete(napi_env env, napi_status /*status*/, void* data) {
    std::unique_ptr<Work> self(static_cast<Work*>(data));
    self->closed.reset();
    Resolve(env, self->deferred);
    napi_delete_async_work(env, self->work);
  }

  static void Resolve(napi_env env, napi_deferred deferred) {
    const Napi::HandleScope scope(env);
    napi_value undefined = nullptr;
    napi_get_undefined(env, &undefined);
    napi_resolve_deferred(env, deferred, undefined);
  }
};

}  // namespace

Napi::Value ReleaseInBackground(Napi::Env env, std::unique_ptr<ClosedStore> closed) {
  auto work = std::make_unique<Work>();
  work->closed = std::move(closed);
  napi_value promise = nullptr;
  if (napi_create_promise(env, &work->deferred, &promise) != napi_ok) return env.Undefined();
  napi_value name = nullptr;
  const bool queued = work->closed != nullptr &&
                      napi_create_string_utf8(env, "forkstore close", NAPI_AUTO_LENGTH, &name) == napi_ok &&
                      napi_create_async_work(env, nullptr, name, Work::Execute, Work::Complete, work.get(),
                                             &work->work) == napi_ok &&
                      napi_queue_async_work(env, work->work) == napi_ok;
  if (queued) {
    static_cast<void>(work.release());  // Complete() takes it
  } else {
    if (work->work != nullptr) napi_delete_async_work(env, work->work);
    work->closed.reset();
    Work::Resolve(env, work->deferred);
  }
  return Napi::Value(env, promise);
}

}  // namespace forkstore
