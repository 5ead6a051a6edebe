// The hot functions of NativeStore (lib/engines/native/binding.ts) that read and change the tree, and those
// of transactions.
#pragma once

#include <napi.h>

#include "binding/store_state.h"

namespace forkstore {

// Adds them to the object of a store. Each is bound to the state, so that a call unwraps nothing.
void AddTreeFunctions(Napi::Env env, Napi::Object store, StoreState* state);
void AddTransactionFunctions(Napi::Env env, Napi::Object store, StoreState* state);

}  // namespace forkstore
