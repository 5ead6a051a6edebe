#include "binding/open_worker.h"

#include "binding/failure.h"
#include "binding/store_object.h"

namespace forkstore {

namespace {

// Where a worker is being terminated, members cannot be read any more: what Get() gives is empty then, and only
// its type may be asked for.
bool Flag(const Napi::Object& given, const char* name) {
  const Napi::Value value = given.Get(name);
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

uint64_t Number(const Napi::Object& given, const char* name, uint64_t by_default) {
  const Napi::Value value = given.Get(name);
  return value.IsNumber() ? static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()) : by_default;
}

OpenOptions ReadOptions(const Napi::Object& given) {
  OpenOptions options;
  options.arena.max_bytes = Number(given, "maxBytes", options.arena.max_bytes);
  options.arena.least_bytes = Number(given, "leastBytes", 0);
  options.arena.huge_pages = Flag(given, "hugePages");
  options.log = Flag(given, "log");
  options.salvage = Flag(given, "salvage");
  options.prepare_copies = Flag(given, "prepareCopies");
  options.max_copied_bytes = Number(given, "maxCopiedBytes", 0);
  const Napi::Value sizes = given.Get("logSizes");
  if (!sizes.IsObject()) return options;
  const auto object = sizes.As<Napi::Object>();
  LogOptions& log = options.log_options;
  log.segment_bytes = Number(object, "segmentBytes", log.segment_bytes);
  log.soft_bound_bytes = Number(object, "softBoundBytes", log.soft_bound_bytes);
  log.hard_bound_bytes = Number(object, "hardBoundBytes", log.hard_bound_bytes);
  log.fragment_bytes = Number(object, "fragmentBytes", log.fragment_bytes);
  log.write_bytes = Number(object, "writeBytes", log.write_bytes);
  log.sync_interval_ms = static_cast<uint32_t>(Number(object, "syncIntervalMs", log.sync_interval_ms));
  return options;
}

}  // namespace

OpenWorker::OpenWorker(Napi::Env env, std::string path, OpenOptions options, Napi::Value on_replay)
    : Napi::AsyncWorker(env, "forkstore open"),
      deferred_(Napi::Promise::Deferred::New(env)),
      path_(std::move(path)),
      options_(options),
      replay_watch_(env, on_replay) {
  options_.progress = ReplayWatch::OnProgress;
  options_.progress_context = &replay_watch_;
}

Napi::Value OpenWorker::Run(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto given = info[1].As<Napi::Object>();
  std::string path = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : std::string();
  auto* worker = new OpenWorker(env, std::move(path), ReadOptions(given), given.Get("onReplay"));
  Napi::Promise promise = worker->deferred_.Promise();
  worker->Queue();
  return promise;
}

void OpenWorker::Execute() {
  status_ = Store::Open(path_, options_, &opened_);
  replay_watch_.EndOfThread();
}

void OpenWorker::OnOK() {
  if (!status_.ok()) {
    deferred_.Reject(FailureError(Env(), status_).Value());
    return;
  }
  replay_watch_.Finish(Env());
  const Napi::Object store = StoreObject::New(Env(), std::move(opened_));
  if (!store.IsEmpty()) deferred_.Resolve(store);
}

}  // namespace forkstore
