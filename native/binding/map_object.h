// NativeMap (lib/native/binding.ts): the hot calls. Each function is bound to its MapHandle, so that a
// call unwraps nothing; arguments and results are numbers and one string.
#pragma once

#include <napi.h>

#include "binding/store_state.h"

namespace forkstore {

Napi::Object MakeMapObject(Napi::Env env, MapHandle* handle);

}  // namespace forkstore
