// NativeMap (lib/engines/native/binding.ts): the hot calls. Each function is bound to its MapHandle, so that
// a call unwraps nothing; arguments and results are numbers and one string.
#pragma once

#include <napi.h>

#include "binding/store_state.h"

namespace forkstore {

// `store`: the object of `state`, which the map's object keeps alive.
Napi::Object MakeMapObject(Napi::Env env, Napi::Value store, StoreState* state, uint32_t id);

}  // namespace forkstore
