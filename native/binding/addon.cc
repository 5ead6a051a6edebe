// The addon: what `require('forkstore.node')` gives. See lib/engines/native/binding.ts.

#include <napi.h>

#include "binding/open_worker.h"
#include "binding/store_object.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  forkstore::StoreObject::Define(env);
  exports.Set("open", Napi::Function::New(env, forkstore::OpenWorker::Run, "open"));
  return exports;
}

}  // namespace

NODE_API_MODULE(forkstore, Init)
