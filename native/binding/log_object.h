// NativeLog (lib/engines/native/binding.ts): the log of one store as JavaScript sees it.
#pragma once

#include <napi.h>

#include "binding/store_state.h"

namespace forkstore {

// REQUIRES: the store keeps a log.
Napi::Object MakeLogObject(Napi::Env env, StoreState* state);

}  // namespace forkstore
