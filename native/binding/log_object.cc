#include "binding/log_object.h"

#include "binding/failure.h"

namespace forkstore {

namespace {

// The state behind a function, or an exception under way when the store is closed.
StoreState* Open(const Napi::CallbackInfo& info) {
  auto* state = static_cast<StoreState*>(info.Data());
  if (state->log() != nullptr) return state;
  FailureError(info.Env(), Status(Code::kInvalid, "the store is closed")).ThrowAsJavaScriptException();
  return nullptr;
}

void Start(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state == nullptr) return;
  const Status status = state->StartLog(info.Env(), info[0].As<Napi::Function>());
  if (!status.ok()) FailureError(info.Env(), status).ThrowAsJavaScriptException();
}

void EndBatch(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state != nullptr) state->log()->EndBatch(info[0].As<Napi::Boolean>().Value());
}

Napi::Value SequenceToAwait(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(state->log()->SequenceToAwait()));
}

Napi::Value DurableSequence(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(state->log()->durable_sequence()));
}

Napi::Value GetState(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(state->log()->state()));
}

Napi::Value IsBehind(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state == nullptr) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), state->log()->stats().behind);
}

Napi::Value AppendedBytes(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(state->log()->stats().appended_bytes));
}

Napi::Value Failure(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state == nullptr) return info.Env().Undefined();
  const Status failure = state->log()->failure();
  if (failure.ok()) return info.Env().Undefined();
  return FailureError(info.Env(), failure).Value();
}

void RefuseWrites(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state != nullptr) state->store().RefuseWrites(info[0].As<Napi::Boolean>().Value());
}

void SyncNow(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state != nullptr) state->log()->SyncSealed(info[0].As<Napi::Number>().Uint32Value());
}

void Hold(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state != nullptr) state->HoldLog(info.Env(), info[0].As<Napi::Boolean>().Value());
}

void BeginClose(const Napi::CallbackInfo& info) {
  StoreState* state = Open(info);
  if (state != nullptr) state->store().BeginClose();
}

Napi::Value Stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  StoreState* state = Open(info);
  if (state == nullptr) return env.Undefined();
  const LogStats stats = state->log()->stats();
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, uint64_t number) { object.Set(name, static_cast<double>(number)); };
  set("bufferedBytes", stats.buffered_bytes);
  set("appendedBytes", stats.appended_bytes);
  set("segments", stats.segments);
  set("batches", stats.batches);
  set("syncs", stats.syncs);
  set("stalls", stats.stalls);
  object.Set("lastSyncMs", stats.last_sync_ms);
  object.Set("longestSyncMs", stats.longest_sync_ms);
  return object;
}

}  // namespace

Napi::Object MakeLogObject(Napi::Env env, StoreState* state) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("start", Napi::Function::New(env, Start, "start", state));
  object.Set("endBatch", Napi::Function::New(env, EndBatch, "endBatch", state));
  object.Set("sequenceToAwait", Napi::Function::New(env, SequenceToAwait, "sequenceToAwait", state));
  object.Set("durableSequence", Napi::Function::New(env, DurableSequence, "durableSequence", state));
  object.Set("state", Napi::Function::New(env, GetState, "state", state));
  object.Set("isBehind", Napi::Function::New(env, IsBehind, "isBehind", state));
  object.Set("appendedBytes", Napi::Function::New(env, AppendedBytes, "appendedBytes", state));
  object.Set("failure", Napi::Function::New(env, Failure, "failure", state));
  object.Set("refuseWrites", Napi::Function::New(env, RefuseWrites, "refuseWrites", state));
  object.Set("syncNow", Napi::Function::New(env, SyncNow, "syncNow", state));
  object.Set("hold", Napi::Function::New(env, Hold, "hold", state));
  object.Set("beginClose", Napi::Function::New(env, BeginClose, "beginClose", state));
  object.Set("stats", Napi::Function::New(env, Stats, "stats", state));
  return object;
}

}  // namespace forkstore
