// How failures cross into JavaScript: hot calls return -Code and keep the Status for lastMessage();
// others make an Error with `nativeCode` and `systemErrno`.
#pragma once

#include <napi.h>

#include "base/status.h"

namespace forkstore {

inline double FailureNumber(const Status& status) {
  return -static_cast<double>(status.code());
}

inline Napi::Error FailureError(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Set("nativeCode", Napi::Number::New(env, static_cast<double>(status.code())));
  error.Set("systemErrno", Napi::Number::New(env, status.system_errno()));
  return error;
}

}  // namespace forkstore
