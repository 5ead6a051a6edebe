#include "binding/raw_function.h"
#include "binding/tree_functions.h"

namespace forkstore {

namespace {

napi_value Begin(napi_env env, napi_callback_info info) {
  return Number(env, NoArguments<StoreState>(env, info)->Begin());
}

napi_value Commit(napi_env env, napi_callback_info info) {
  return Number(env, NoArguments<StoreState>(env, info)->Commit());
}

napi_value Rollback(napi_env env, napi_callback_info info) {
  return Number(env, NoArguments<StoreState>(env, info)->Rollback());
}

}  // namespace

void AddTransactionFunctions(Napi::Env env, Napi::Object store, StoreState* state) {
  AddFunctions(env, store, store, state, {{"begin", Begin}, {"commit", Commit}, {"rollback", Rollback}});
}

}  // namespace forkstore
