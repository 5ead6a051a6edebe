#include "binding/open_worker.h"

#include "binding/failure.h"
#include "binding/store_object.h"

namespace forkstore {

OpenWorker::OpenWorker(Napi::Env env, std::string path, ArenaOptions options)
    : Napi::AsyncWorker(env, "forkstore open"),
      deferred_(Napi::Promise::Deferred::New(env)),
      path_(std::move(path)),
      options_(options) {}

Napi::Value OpenWorker::Run(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ArenaOptions options;
  const auto given = info[1].As<Napi::Object>();
  options.max_bytes = static_cast<uint64_t>(given.Get("maxBytes").As<Napi::Number>().Int64Value());
  options.huge_pages = given.Get("hugePages").As<Napi::Boolean>().Value();
  std::string path = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : std::string();
  auto* worker = new OpenWorker(env, std::move(path), options);
  Napi::Promise promise = worker->deferred_.Promise();
  worker->Queue();
  return promise;
}

void OpenWorker::Execute() {
  status_ = OpenStore(path_, options_, &opened_);
  if (status_.ok()) status_ = opened_.engine->StartPageKeeper();
}

void OpenWorker::OnOK() {
  if (!status_.ok()) {
    // The lock must be free when the caller hears of the failure.
    opened_ = OpenedStore{};
    deferred_.Reject(FailureError(Env(), status_).Value());
    return;
  }
  const Napi::Object store = StoreObject::New(Env(), std::move(opened_));
  if (!store.IsEmpty()) deferred_.Resolve(store);
}

}  // namespace forkstore
