// NativeStore (lib/engines/native/binding.ts): one open store as JavaScript sees it.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/store_state.h"

namespace forkstore {

class StoreObject : public Napi::ObjectWrap<StoreObject> {
 public:
  // Makes the class of this environment and keeps it in the environment's instance data.
  static void Define(Napi::Env env);
  // Hands an opened store over to a new object.
  static Napi::Object New(Napi::Env env, OpenedStore opened);

  explicit StoreObject(const Napi::CallbackInfo& info);
  ~StoreObject() override;

 private:
  Napi::Value Recovery(const Napi::CallbackInfo& info);
  Napi::Value OperationBuffer(const Napi::CallbackInfo& info);
  Napi::Value Result(const Napi::CallbackInfo& info);
  Napi::Value PackBuffer(const Napi::CallbackInfo& info);
  Napi::Value GrowOperationBuffer(const Napi::CallbackInfo& info);
  Napi::Value Apply(const Napi::CallbackInfo& info);
  Napi::Value LastMessage(const Napi::CallbackInfo& info);
  Napi::Value Segment(const Napi::CallbackInfo& info);
  Napi::Value ReadBlock(const Napi::CallbackInfo& info);
  Napi::Value OpenMap(const Napi::CallbackInfo& info);
  Napi::Value DropMap(const Napi::CallbackInfo& info);
  Napi::Value Map(const Napi::CallbackInfo& info);
  Napi::Value Maps(const Napi::CallbackInfo& info);
  Napi::Value DefineShape(const Napi::CallbackInfo& info);
  Napi::Value ShapeNames(const Napi::CallbackInfo& info);
  Napi::Value Reclaim(const Napi::CallbackInfo& info);
  Napi::Value Log(const Napi::CallbackInfo& info);
  Napi::Value Snapshot(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // The state, or an exception under way when the store is closed.
  StoreState* Open(Napi::Env env);
  // Runs at the end of the environment, when close() has not been called.
  static void OnEnvironmentEnd(void* self);

  std::unique_ptr<StoreState> state_;
};

}  // namespace forkstore
